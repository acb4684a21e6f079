import { bars, escaped, lines } from './plots.ts';
import { type Repeated, tableOf } from './repeats.ts';
import type { LoadResult } from './result.ts';
import type { SearchResult } from './search.ts';
import { printResult, searchTable } from './text.ts';

const STYLE = `:root{color-scheme:light dark;--line:#d0d4da;--soft:#f3f5f7;--a:#2456c4;--b:#c2410c;--text:#1c2430}
@media(prefers-color-scheme:dark){:root{--line:#3a414c;--soft:#1c2129;--a:#7da2ff;--b:#ff9a5c;--text:#e6e9ee}}
body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2rem auto;padding:0 1rem;color:var(--text)}
pre{overflow:auto;background:var(--soft);padding:1rem;font-size:12.5px;line-height:1.45}
h2{margin:2rem 0 .2rem;font-size:1.05rem}h2+p{margin:0 0 .4rem;opacity:.75}
svg{width:100%;height:auto;overflow:visible}svg text{font-size:11px;fill:currentColor;opacity:.75}
.grid{stroke:var(--line)}.a{stroke:var(--a)}.b{stroke:var(--b)}polyline{fill:none;stroke-width:2}rect.a{fill:var(--a);stroke:none}rect.b{fill:var(--b);stroke:none}
table{border-collapse:collapse;font-size:13px;display:block;overflow:auto}td,th{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line)}`;

export interface Run {
  readonly result: LoadResult;
  readonly failures: readonly string[];
}

/** The report as one page that needs nothing else: no script, no request. */
export function htmlReport(runs: readonly Run[], repeated?: Repeated): string {
  const verdict = runs.every(({ failures }) => failures.length === 0) ? 'passed' : 'failed';
  const table = repeated === undefined ? '' : `<h2>All runs</h2>${htmlTable(tableOf(repeated))}`;
  const body = runs.map(({ result, failures }, at) => section(result, failures, runs.length === 1 ? '' : `<h1>Run ${at + 1}</h1>`));
  const data = repeated ?? runs[0]!.result;
  return page(`${runs[0]!.result.options.mode}: ${verdict}`, `<p>${escaped(runs[0]!.result.at)}</p>${table}${body.join('')}`, data);
}

/** The same for a search: its table, and the pictures of the highest rate that held. */
export function htmlSearch(search: SearchResult<Run>, limitMs: number): string {
  const best = search.steps.findLast(({ ratePerSec }) => ratePerSec === search.bestPerSec);
  const title = `highest rate with e2e p99 ≤ ${limitMs} ms: ${search.bestPerSec?.toFixed(0) ?? 'none'} messages/s`;
  const shown = best === undefined ? '' : section(best.outcome.result, best.outcome.failures, '<h1>At that rate</h1>');
  return page(title, `${htmlTable(searchTable(search))}${shown}`, search);
}

function page(title: string, body: string, data: object): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Gapless load: ${escaped(title)}</title>
<style>${STYLE}</style>
<h1>Gapless load: ${escaped(title)}</h1>
${body}
<details><summary>Everything, as JSON</summary><pre>${escaped(JSON.stringify(data, null, 1))}</pre></details>
</html>
`;
}

function section(result: LoadResult, failures: readonly string[], title: string): string {
  const { seconds } = result;
  const picture = (name: string, unit: string, series: Parameters<typeof lines>[0]['series']) =>
    lines({ title: name, unit, series, seconds });
  return `${title}
<pre>${escaped(printResult(result, failures))}</pre>
${picture('End-to-end latency, each second', 'ms', [
  { name: 'p50', read: ({ e2eP50Ms }) => e2eP50Ms },
  { name: 'p99', read: ({ e2eP99Ms }) => e2eP99Ms },
])}
${picture('Latency until saved, each second', 'ms', [
  { name: 'p50', read: ({ savedP50Ms }) => savedP50Ms },
  { name: 'p99', read: ({ savedP99Ms }) => savedP99Ms },
])}
${bars('How often which latency', [
  { name: 'end to end', bars: result.bars.e2e ?? [] },
  { name: 'saved', bars: result.bars.saved ?? [] },
])}
${picture('Messages sent and saved', '/s', [
  { name: 'sent', read: ({ sent }) => sent },
  { name: 'saved', read: ({ saved }) => saved },
])}
${picture('Messages received, all readers', '/s', [{ name: 'received', read: ({ received }) => received }])}
${picture('CPU, of a core', '%', [
  { name: 'server', read: ({ cpuPct }) => cpuPct },
  { name: 'busiest thread of the generator', read: ({ generatorCpuPct }) => generatorCpuPct },
])}
${picture('Memory of the server (RSS)', 'MiB', [{ name: 'RSS', read: ({ rssMiB }) => rssMiB }])}
${picture('Event loop of the server, delay', 'ms', [
  { name: 'p99 of each second', read: ({ loopP99Ms }) => loopP99Ms },
  { name: 'max', read: ({ loopMaxMs }) => loopMaxMs },
])}`;
}

function htmlTable([head, ...rows]: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string) => row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('');
  return `<table><tr>${cells(head!, 'th')}</tr>${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('')}</table>`;
}
