// Sends through the Postgres store, on PostgreSQL of npm and of Debian. `npm run bench -- postgres [npm|debian]`

import { type Figure, report } from '../lib/report.ts';
import { sends } from './sends.ts';

const wanted = process.argv.slice(2);
const figures: Figure[] = [];
for (const which of ['npm', 'debian'] as const) {
  if (wanted.length > 0 && !wanted.includes(which)) continue;
  console.log(`${which} …`);
  figures.push(...(await sends(which)));
}
report(wanted.length === 0 ? 'postgres' : `postgres-${wanted.join('-')}`, figures);
process.exit();
