import { openSqliteStore } from '../../packages/adapters/src/store/sqlite/index.ts';
import { BODY } from '../road/world.ts';

const BATCH = 2_000;

/** Writes a database with the conversation `bench` of user `u0` and so many messages in it. */
export async function fillConversation(path: string, messages: number): Promise<void> {
  const store = await openSqliteStore({
    path,
    onFatal: (error) => {
      throw error;
    },
  });
  const at = Date.now();
  await store.commit([
    { op: 'create', cid: 'bench', kind: 'group', by: 'u0', at, participants: [{ uid: 'u0', role: 'owner' }], createUsers: true },
  ]);
  const body = JSON.stringify(BODY);
  for (let done = 0; done < messages; done += BATCH) {
    await store.commit(
      Array.from(
        { length: BATCH },
        (_, i) =>
          ({ op: 'send', cid: 'bench', mid: `b${done + i}`, from: 'u0', at, kind: 'text', body, digest: String(done + i) }) as const,
      ),
    );
  }
  await store.close();
}
