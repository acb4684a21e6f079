export { ANOMALIES, type AnomalyCount, type AnomalyName } from './check/anomalies.ts';
export { type CheckResult, checkEvents } from './check/check.ts';
export type { HistoryEvent } from './check/event.ts';
export { checkFiles, HistoryFileError } from './check/files.ts';
export { printCheck } from './check/print.ts';
export { serverLog } from './check/server-log.ts';
export { signToken } from './token.ts';
