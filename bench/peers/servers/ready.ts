import type { AddressInfo } from 'node:net';

/** What a server's process says, once, when it takes connections. */
export interface Ready {
  readonly port: number;
  /** Of what it is made of. */
  readonly version: string;
}

export function sayReady(address: string | AddressInfo | null, version: string): void {
  const ready: Ready = { port: (address as AddressInfo).port, version };
  console.log(JSON.stringify(ready));
}
