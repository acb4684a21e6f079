export { brokerContract } from './broker.ts';
export { type BusRecord, type BusVariant, busContract } from './bus.ts';
export { readKafkaEvents, readNatsEvents } from './bus-readers.ts';
export type { Skip } from './contract.ts';
export { type PresenceCluster, type PresenceFaults, presenceContract, presenceFaultContract, skipCluster } from './presence.ts';
export { type StoreVariant, storeContract } from './store.ts';
