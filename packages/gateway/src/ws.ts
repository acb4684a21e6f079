import { systemClock } from '@gapless/kit';
import { type Codec, jsonCodec, msgpackCodec } from '@gapless/protocol';
import { ENCODING, type Encoding } from './frame.ts';
import type { Gateway } from './gateway.ts';
import { acceptAs, LiveSocket } from './live-socket.ts';
import type { Session, Transport } from './session.ts';
import { type Endpoint, tokenOf, type Upgrade } from './upgrade.ts';

/** The protocol on WebSockets. */
export function chatEndpoint(gateway: Gateway, path = '/ws'): Endpoint {
  const accept = acceptAs(
    ChatSocket,
    (offered) => [...offered].find((name) => name === jsonCodec.subprotocol || name === msgpackCodec.subprotocol) ?? false,
  );
  return {
    path,
    get size() {
      return gateway.sessions.size;
    },
    get draining() {
      return gateway.draining;
    },
    accept: (upgrade) => accept(upgrade, (socket) => socket.start(gateway, upgrade)),
  };
}

class ChatSocket extends LiveSocket implements Transport {
  #gateway!: Gateway;
  #session!: Session;
  #codec: Codec = jsonCodec;
  encoding: Encoding = ENCODING.json;

  start(gateway: Gateway, upgrade: Upgrade): void {
    const { searchParams } = upgrade.url;
    this.#gateway = gateway;
    this.attach(upgrade.request);
    if (this.protocol === msgpackCodec.subprotocol) {
      this.#codec = msgpackCodec;
      this.encoding = ENCODING.msgpack;
    } else if (searchParams.get('batch') === '1') this.encoding = ENCODING.jsonBatch;
    this.#session = gateway.open(this, upgrade.ip);
    this.#session.pulls = searchParams.get('pull') === '1';
    const token = tokenOf(upgrade);
    if (token !== null) void gateway.authenticate(this.#session, token, searchParams.get('device')?.slice(0, 64) || undefined);
  }

  receive(data: Buffer, binary: boolean): void {
    // A message of the wrong kind is not in this connection's codec: the empty one is in none.
    this.#gateway.receive(this.#session, binary === this.#codec.binary ? data : NOTHING, this.#codec);
  }

  seen(): void {
    this.#session.lastSeenAt = systemClock.elapsed();
  }

  ended(): void {
    this.#gateway.ended(this.#session);
  }

  drained(): void {
    this.#gateway.drained(this.#session);
  }
}

const NOTHING = Buffer.alloc(0);
