// The budgets of the single node: sends, acks, fan-out, idle connections, history. `npm run bench -- road [sends|acks|fanout|idle|history]`

import { type Figure, report } from '../lib/report.ts';
import { acks } from './acks.ts';
import { fanout } from './fanout.ts';
import { history } from './history.ts';
import { idle } from './idle.ts';
import { sends } from './sends.ts';

const parts: Record<string, () => Promise<Figure[]>> = { sends, acks, fanout, idle, history };
const wanted = process.argv.slice(2);
const figures: Figure[] = [];
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`${name} …`);
  figures.push(...(await part()));
}
report(wanted.length === 0 ? 'road' : `road-${wanted.join('-')}`, figures);
process.exit();
