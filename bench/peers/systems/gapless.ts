import { startServer } from '../../lib/server.ts';
import { createConversations, users } from '../../road/world.ts';
import { clientsOf, roomOf } from '../layout.ts';
import type { System } from './system.ts';

const VERSION = 'this commit';

export const gapless: System = {
  name: 'Gapless',
  dialect: 'gapless',
  durability: 'SQLite, fsync before ack and delivery',
  remarks:
    'rate limits off; tokens, membership, numbering, history and resume on; the writes of one flush are merged: many messages in one write to a socket',
  ceiling: 'sink, merged writes',
  async start(layout) {
    const server = await startServer();
    const names = users(clientsOf(layout));
    const groups = Array.from({ length: layout.rooms }, (_, room) => names.slice(room * layout.roomSize, (room + 1) * layout.roomSize));
    const cids = await createConversations(server, groups);
    const targets = names.map(async (name, client) => ({
      port: server.port,
      cid: cids[roomOf(layout, client)]!,
      token: await server.token(name),
    }));
    return {
      version: VERSION,
      targets: await Promise.all(targets),
      cpuSec: server.cpuSec,
      stop: async () => void (await server.kill()),
    };
  },
};
