export { brokerContract } from './broker.ts';
export type { Skip } from './contract.ts';
export { type StoreVariant, storeContract } from './store.ts';
