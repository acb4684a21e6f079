import type { UpFrame, UpType } from '@gapless/protocol';
import type { Authed, Context, Handler } from '../context.ts';
import { ping, presence, typing } from './ephemeral.ts';
import { join, leave, pull, sync } from './join.ts';
import { ack, read } from './positions.ts';
import { send } from './send.ts';

/** Frames that work. `auth` is not here: it may come before there is an actor. What is missing answers `unknown_type`. */
const HANDLERS: { readonly [T in Exclude<UpType, 'auth'>]?: Handler<T> } = {
  join,
  sync,
  leave,
  pull,
  send,
  ack,
  read,
  typing,
  presence,
  ping,
};

export function handlerOf(t: UpType): ((context: Context, session: Authed, frame: UpFrame) => void | Promise<void>) | undefined {
  return HANDLERS[t as Exclude<UpType, 'auth'>] as ReturnType<typeof handlerOf>;
}
