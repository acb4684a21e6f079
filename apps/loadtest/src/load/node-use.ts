import type { Second } from './result.ts';

/** What one node used while messages were sent. CPU and memory are absent when it was never seen. */
export interface NodeUse {
  readonly url: string;
  /** Average; 100 for one whole core. */
  readonly cpuPct?: number;
  readonly rssMaxMiB?: number;
  readonly connectionsMax?: number;
}

export function nodeUses(urls: readonly string[], seconds: readonly Second[]): NodeUse[] {
  return urls.map((url, at) => {
    const values = (name: 'cpuPct' | 'rssMiB' | 'connections') => seconds.flatMap(({ nodes }) => nodes?.[at]?.[name] ?? []);
    const [cpu, rss, connections] = [values('cpuPct'), values('rssMiB'), values('connections')];
    return {
      url,
      ...(cpu.length === 0 ? {} : { cpuPct: cpu.reduce((sum, each) => sum + each, 0) / cpu.length, rssMaxMiB: Math.max(...rss) }),
      ...(connections.length === 0 ? {} : { connectionsMax: Math.max(...connections) }),
    };
  });
}
