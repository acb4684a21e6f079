import type { Second } from './result.ts';

const WIDTH = 760;
const HEIGHT = 150;
/** For the numbers beside the picture. */
const LEFT = 56;
const BOTTOM = 18;
const CLASSES = ['a', 'b'] as const;

interface Series {
  readonly name: string;
  readonly read: (second: Second) => number | undefined;
}

/** A line for each series over the seconds; nothing when nothing was measured. */
export function lines(plot: { title: string; unit: string; series: readonly Series[]; seconds: readonly Second[] }): string {
  const { title, unit, series, seconds } = plot;
  const values = series.map(({ read }) => seconds.map(read));
  const known = values.flat().filter((value) => value !== undefined);
  if (known.length === 0) return '';
  const top = niceTop(Math.max(...known));
  const x = (at: number) => LEFT + ((at + 0.5) / seconds.length) * (WIDTH - LEFT);
  const y = (value: number) => HEIGHT - (value / top) * (HEIGHT - 8);
  const drawn = values.map((row, at) => {
    const points = row.flatMap((value, second) => (value === undefined ? [] : [`${x(second).toFixed(1)},${y(value).toFixed(1)}`]));
    const dot =
      points.length === 1
        ? `<rect class="${CLASSES[at]}" x="${x(0) - 3}" y="${y(row.find((v) => v !== undefined)!) - 3}" width="6" height="6"/>`
        : '';
    return `<polyline class="${CLASSES[at]}" points="${points.join(' ')}"/>${dot}`;
  });
  return framed(
    title,
    legend(
      series.map(({ name }) => name),
      unit,
    ),
    `${grid(top)}${drawn.join('')}${axis(`1 s`, `${seconds.length} s`)}`,
  );
}

/** How often each latency came, on a logarithmic axis, in parts of the most frequent. */
export function bars(
  title: string,
  series: readonly { name: string; bars: readonly (readonly [upToMs: number, count: number])[] }[],
): string {
  const edges = series.flatMap((one) => one.bars.map(([upTo]) => Math.log(upTo)));
  if (edges.length === 0) return '';
  const [from, to] = [Math.min(...edges), Math.max(...edges)];
  const slots = Math.round((to - from) / Math.log(1.25)) + 1;
  const width = (WIDTH - LEFT) / slots;
  const drawn = series.map((one, at) => {
    const most = Math.max(1, ...one.bars.map(([, count]) => count));
    const rects = one.bars.map(([upTo, count]) => {
      const height = Math.max(0.5, (count / most) * (HEIGHT - 8));
      const left = LEFT + Math.round((Math.log(upTo) - from) / Math.log(1.25)) * width + (at * width) / 2;
      return `<rect class="${CLASSES[at]}" x="${left.toFixed(1)}" y="${(HEIGHT - height).toFixed(1)}" width="${Math.max(1, width / 2 - 1).toFixed(1)}" height="${height.toFixed(1)}"/>`;
    });
    return rects.join('');
  });
  const shown = (log: number) => `${Number(Math.exp(log).toPrecision(2))} ms`;
  const names = series.filter((one) => one.bars.length > 0).map(({ name }) => name);
  return framed(
    title,
    legend(names, 'latency on a logarithmic axis, each against its most frequent'),
    `${drawn.join('')}${axis(shown(from), shown(to), shown((from + to) / 2))}`,
  );
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function framed(title: string, words: string, drawing: string): string {
  return `<h2>${escaped(title)}</h2>
<p>${words}</p>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT + BOTTOM}" role="img" aria-label="${escaped(title)}">${drawing}</svg>`;
}

function legend(names: readonly string[], unit: string): string {
  const keys = names.map((name, at) => `<span style="color:var(--${CLASSES[at]})">■</span> ${escaped(name)}`);
  return `${keys.join(' &nbsp; ')} &nbsp; (${escaped(unit)})`;
}

function grid(top: number): string {
  return [0, 0.5, 1]
    .map((part) => {
      const y = HEIGHT - part * (HEIGHT - 8);
      return `<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}"/><text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${shortOf(top * part)}</text>`;
    })
    .join('');
}

function axis(left: string, right: string, middle?: string): string {
  const y = HEIGHT + BOTTOM - 3;
  const between = middle === undefined ? '' : `<text x="${(LEFT + WIDTH) / 2}" y="${y}" text-anchor="middle">${middle}</text>`;
  return `<text x="${LEFT}" y="${y}">${left}</text>${between}<text x="${WIDTH}" y="${y}" text-anchor="end">${right}</text>`;
}

/** The next of 1, 2, 5 times a power of ten. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.001)));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function shortOf(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}
