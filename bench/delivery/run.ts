// Delivery under pressure: slow readers, many clients, a storm of returns, catching up, large conversations.
// `npm run bench -- delivery [stalls|clients|storm|catch-up|large]`

import { type Figure, report } from '../lib/report.ts';
import { catchUp } from './catch-up.ts';
import { clients } from './clients.ts';
import { large } from './large.ts';
import { stalls } from './stalls.ts';
import { storm } from './storm.ts';

const parts: Record<string, () => Promise<Figure[]>> = { stalls, clients, storm, 'catch-up': catchUp, large };
const wanted = process.argv.slice(2);
const figures: Figure[] = [];
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`${name} …`);
  figures.push(...(await part()));
}
report(wanted.length === 0 ? 'delivery' : `delivery-${wanted.join('-')}`, figures);
process.exit();
