import type { Clock } from '@gapless/kit';
import { PAGE_DEFAULT } from '@gapless/protocol';
import type { Chat } from './chat.ts';
import { createConversations } from './conversations.ts';
import type { Directory } from './directory.ts';
import { ChatError } from './errors.ts';
import type { Store } from './ports/store.ts';
import { PositionBuffer } from './positions.ts';
import { createSend } from './send.ts';
import type { SendLimits } from './send-limits.ts';
import type { Writer } from './writer.ts';

export interface ChatDeps {
  store: Store;
  directory: Directory;
  writer: Pick<Writer, 'append'>;
  clock: Clock;
  bodyMaxBytes?: number;
  limits?: SendLimits;
  ensureMembers?: () => boolean;
}

/** All use cases over one store. The writer's `onCommitted` must feed the directory. */
export function createChat(deps: ChatDeps): Chat {
  const { store, directory, writer } = deps;
  const positions = new PositionBuffer(writer);

  return {
    ...createConversations(deps),
    send: createSend(deps),

    async messages(actor, cid, { after, before, limit = PAGE_DEFAULT }) {
      if (after !== undefined && before !== undefined) throw new ChatError('bad_frame', { say: 'after, before: only one of them' });
      await directory.require(actor.uid, cid);
      // The items first: a head read later is never older than they are.
      const items = await store.messages(cid, {
        limit,
        ...(after === undefined ? {} : { after }),
        ...(before === undefined ? {} : { before }),
      });
      const [head] = await store.heads(actor.uid, [cid]);
      if (head === undefined) throw new ChatError('not_participant');
      return { items, head: head.head, ...(head.saved === undefined ? {} : { saved: head.saved }) };
    },

    async read(actor, cid, pos) {
      await directory.require(actor.uid, cid);
      return positions.advance({ op: 'read', cid, uid: actor.uid, pos });
    },

    async delivered(actor, did, cid, pos) {
      await directory.require(actor.uid, cid);
      return positions.advance({ op: 'delivered', cid, uid: actor.uid, did, pos });
    },

    async requireParticipant(actor, cid) {
      return (await directory.require(actor.uid, cid)).role;
    },

    heads: (actor, cids) => store.heads(actor.uid, cids),
    positions: (_actor, cid) => store.positions(cid),
    acquainted: (actor, others) => store.acquainted(actor.uid, others),
  };
}
