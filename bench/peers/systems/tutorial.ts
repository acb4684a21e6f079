import { join } from 'node:path';
import { startPostgres } from '@gapless/testkit';
import { startChild } from '../../lib/child.ts';
import type { Ready } from '../servers/ready.ts';
import { openTargets } from './rooms.ts';
import type { System } from './system.ts';

const SERVER = join(import.meta.dirname, '../servers/tutorial.ts');

/** `servers/tutorial.ts` says what it is and what was left out. */
export const tutorial: System = {
  name: 'ws + Postgres tutorial',
  dialect: 'plain',
  durability: 'Postgres commit, fsync, before ack and delivery',
  remarks:
    'one transaction a message, pool of 10, Postgres as initdb sets it up but for 200 connections; no Redis between, no accounts; Postgres and the generator share the cores that the server leaves',
  ceiling: 'sink',
  async start(layout) {
    const database = await startPostgres();
    if ('reason' in database) return database;
    const server = await startChild<Ready>(SERVER, [database.url, String(layout.rooms)]).catch(async (error) => {
      await database.remove();
      throw error;
    });
    return {
      version: `${server.ready.version}, Postgres ${database.version}`,
      targets: openTargets(layout, server.ready.port),
      cpuSec: () => server.cpuSec() + database.cpuSec(),
      async stop() {
        await server.stop();
        await database.remove();
      },
    };
  },
};
