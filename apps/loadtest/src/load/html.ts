import type { LoadResult, Second } from './result.ts';
import { printResult } from './text.ts';

const WIDTH = 720;
const HEIGHT = 160;

/** The report as one page that needs nothing else: no script, no request. */
export function htmlReport(result: LoadResult, failures: readonly string[]): string {
  const { seconds } = result;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Gapless load: ${escaped(result.options.mode)}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem}pre{overflow:auto;background:#f4f4f4;padding:1rem}
svg{width:100%;border:1px solid #ddd}polyline{fill:none;stroke:#2456c4;stroke-width:2}</style>
<h1>Gapless load: ${failures.length === 0 ? 'passed' : 'failed'}</h1>
<p>${escaped(result.at)}</p>
<pre>${escaped(printResult(result, failures))}</pre>
${plot('Messages sent per second', seconds, ({ sent }) => sent)}
${plot('Messages received per second, all readers', seconds, ({ received }) => received)}
${plot('CPU of the server, % of a core', seconds, ({ cpuPct }) => cpuPct)}
${plot('Memory of the server (RSS), MiB', seconds, ({ rssMiB }) => rssMiB)}
<h2>Result</h2>
<pre>${escaped(JSON.stringify(result, null, 2))}</pre>
</html>
`;
}

function plot(title: string, seconds: readonly Second[], read: (second: Second) => number | undefined): string {
  const values = seconds.map(read).filter((value) => value !== undefined);
  if (values.length === 0) return '';
  const top = Math.max(1, ...values);
  const points = values.map((value, at) => `${((at + 0.5) / values.length) * WIDTH},${HEIGHT - (value / top) * (HEIGHT - 10)}`);
  return `<h2>${escaped(title)}</h2>
<p>Up to ${top.toFixed(0)}, over ${values.length} s.</p>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}"><polyline points="${points.join(' ')}"/></svg>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
