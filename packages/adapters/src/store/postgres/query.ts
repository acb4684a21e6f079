import { ChatError } from '@gapless/core';
import { sqlState, type Value } from './connection.ts';
import type { Pool } from './pool.ts';

/** Runs one statement. Texts among the values were made by `stored` or `texts`. @throws ChatError store_unavailable */
export type Query = <Row>(text: string, values?: readonly Value[]) => Promise<Row[]>;

/** Deadlock, serialization failure: the transaction is gone, and another try may go through. */
const TRY_AGAIN = ['40P01', '40001'];

/** Two nodes that lock in different orders are rare; the same two twice in a row are very rare. */
const TRIES_MAX = 4;

export function queryOf(pool: Pool): Query {
  return async <Row>(text: string, values: readonly Value[] = []): Promise<Row[]> => {
    for (let tries = 1; ; tries++) {
      try {
        return await pool.query<Row>(text, values);
      } catch (error) {
        const again = tries < TRIES_MAX && TRY_AGAIN.includes(sqlState(error) ?? '');
        if (!again) throw new ChatError('store_unavailable', { cause: error });
      }
    }
  };
}
