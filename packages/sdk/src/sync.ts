import type { UpFrameOf } from '@gapless/protocol';

const CONVERSATIONS_MAX = 1_000;
/** The server closes for a frame over 64 KiB. */
const BYTES_MAX = 60_000;

type Wanted = UpFrameOf<'sync'>['convs'][number];

/** As few `sync` frames as the server's bounds allow. */
export function syncFrames(wanted: readonly Wanted[]): UpFrameOf<'sync'>[] {
  const frames: UpFrameOf<'sync'>[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of wanted) {
    const size = new TextEncoder().encode(JSON.stringify(item)).length + 1;
    bytes += size;
    if (bytes > BYTES_MAX || frames.at(-1)!.convs.length === CONVERSATIONS_MAX) {
      frames.push({ t: 'sync', convs: [] });
      bytes = size;
    }
    frames.at(-1)!.convs.push(item);
  }
  return frames;
}
