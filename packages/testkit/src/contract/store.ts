import type { Store } from '@gapless/core';
import { acceptCases } from './accept.ts';
import { acceptNodeCases } from './accept-nodes.ts';
import { acceptOpeningCases } from './accept-openings.ts';
import { acceptRaceCases } from './accept-races.ts';
import { accountCases } from './accounts.ts';
import { contract, type Skip } from './contract.ts';
import { conversationCases } from './conversations.ts';
import { durabilityCases } from './durability.ts';
import { feedCases } from './feed.ts';
import { leaseCases } from './leases.ts';
import { listCases } from './lists.ts';
import { ownReadCases } from './own-reads.ts';
import { positionCases } from './positions.ts';
import { sendCases } from './sends.ts';
import { sessionCases } from './sessions.ts';
import { settleCases } from './settle.ts';

export interface StoreVariant {
  /** A fresh empty store for each test. */
  open(): Promise<Store>;
  /** The store that was opened last, on what it kept: after it was closed, and with `multiProcess` also beside it, as another node. */
  reopen?(): Promise<Store>;
}

/** What every Store must do. */
export function storeContract(name: string, { open, reopen }: StoreVariant, skip: readonly Skip[] = []): void {
  contract(`Store / ${name}`, open, skip, {
    ...sendCases,
    ...conversationCases,
    ...positionCases,
    ...ownReadCases,
    ...listCases,
    ...accountCases,
    ...sessionCases,
    ...feedCases(reopen),
    ...leaseCases(reopen),
    ...acceptCases,
    ...acceptOpeningCases,
    ...settleCases,
    ...acceptNodeCases,
    ...acceptRaceCases(reopen),
    ...durabilityCases(reopen),
  });
}
