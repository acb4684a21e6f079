import type { RunningService } from '@gapless/launch';

/** A node of which is known when it ended though nobody had ended it. */
export interface WatchedNode extends RunningService {
  /** How often it was found gone, or another process, than the one of the last start. */
  endedByItself(): number;
}

export function watched(node: RunningService): WatchedNode {
  let ends = 0;
  let expected: number | undefined = node.pid();
  /** What is gone when it is looked for was not ended from here: it is noted once. */
  const look = () => {
    if (expected === undefined || pidOf(node) === expected) return;
    ends++;
    expected = undefined;
  };
  const end = (how: () => Promise<void>) => {
    look();
    expected = undefined;
    return how();
  };
  return {
    ...node,
    stop: () => end(node.stop),
    kill: () => end(node.kill),
    async start() {
      look();
      await node.start();
      expected = node.pid();
    },
    endedByItself() {
      look();
      return ends;
    },
  };
}

function pidOf(node: RunningService): number | undefined {
  try {
    return node.pid();
  } catch {
    return undefined;
  }
}
