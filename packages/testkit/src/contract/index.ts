export { ACCEPT_CONTRACT, type AcceptLogs, acceptLogContract } from './accept-log.ts';
export { nothingIn } from './accept-log-epochs.ts';
export {
  acceptAll,
  acceptOne,
  ask,
  begun,
  everyEntry,
  openAll,
  opening,
  openOne,
  saveAll,
  seqsOf,
  ticketFor,
  ulidOf,
} from './accept-log-requests.ts';
export { brokerContract } from './broker.ts';
export { type BusRecord, type BusVariant, busContract } from './bus.ts';
export { readKafkaEvents, readNatsEvents } from './bus-readers.ts';
export type { Skip } from './contract.ts';
export { type PresenceCluster, type PresenceFaults, presenceContract, presenceFaultContract, skipCluster } from './presence.ts';
export { type StoreVariant, storeContract } from './store.ts';
