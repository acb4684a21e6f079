/** What the relay tells of itself. Calls are cheap and must not throw. */
export interface RelayMetrics {
  /** Of the part that is most behind, whoever has it; every few seconds. */
  lag(consumer: string, lag: { readonly rows: number; readonly seconds: number }): void;
  /** Rows that the consumer is done with. */
  published(consumer: string, rows: number): void;
  /** A batch failed and will be tried again. */
  failed(consumer: string): void;
  /** Parts that this worker has now. */
  partsOwned(consumer: string, parts: number): void;
}
