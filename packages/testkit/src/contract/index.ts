export type { Skip } from './contract.ts';
export { type StoreVariant, storeContract } from './store.ts';
