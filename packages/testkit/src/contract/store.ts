import type { Store } from '@gapless/core';
import { accountCases } from './accounts.ts';
import { conversationCases } from './conversations.ts';
import { contract, type Skip } from './contract.ts';
import { durabilityCases } from './durability.ts';
import { listCases } from './lists.ts';
import { positionCases } from './positions.ts';
import { sendCases } from './sends.ts';

export interface StoreVariant {
  /** A fresh empty store for each test. */
  open(): Promise<Store>;
  /** The store again, after `close`, on what it kept. */
  reopen?(): Promise<Store>;
}

/** What every Store must do. */
export function storeContract(name: string, { open, reopen }: StoreVariant, skip: readonly Skip[] = []): void {
  const of = (theme: string) => skip.filter((item) => item.test in themes[theme as keyof typeof themes]);
  for (const [theme, cases] of Object.entries(themes)) contract(`Store / ${name} / ${theme}`, open, of(theme), cases);
  void reopen;
}
