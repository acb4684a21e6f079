import type { Cable } from './cable.ts';
import type { Namespace } from './namespace.ts';
import { pipe, run } from './tools.ts';

/** As seen by the node: what it is told, what it says, or both. With one of them only, the other side's packets still arrive. */
export type Direction = 'both' | 'in' | 'out';

/** Whom a node speaks to: a service at an address and a TCP port, or whoever comes to a TCP port of its own. */
export type Peer = { readonly address: string; readonly port: number } | { readonly ownPort: number };

/** Drops packets on the cable of a node, without a word to either side. */
export interface Fence {
  /** Replaces what was cut before. */
  cut(peers: readonly Peer[], direction: Direction): void;
  /** Returns how many packets were dropped since the cut, from or to each peer. */
  heal(): number[];
}

const TABLE = ['inet', 'drill'] as const;

/** Packets are dropped where they arrive: dropped where they leave, their sender would know. */
export function openFence(node: Namespace, cable: Cable): Fence {
  const ends = [node, { run, pipe }];
  // Made and deleted in one transaction with the new rules: there is no moment in between.
  const replace = (rules: readonly [string, string]) => {
    const empty = `table ${TABLE.join(' ')} {}\ndelete table ${TABLE.join(' ')}\n`;
    for (const [n, end] of ends.entries()) end.pipe(`${empty}${rules[n]}`, 'nft', '-f', '-');
  };
  let count = 0;
  return {
    cut(peers, direction) {
      count = peers.length;
      replace(rulesets(peers, direction, cable.device));
    },
    heal() {
      const listed = ends.map((end) => end.run('nft', 'list', 'ruleset'));
      replace(['', '']);
      return droppedOf(listed, count);
    },
  };
}

/** Reads what nft lists at each end: a counter for each peer, in their order, or none where that end drops nothing. */
export function droppedOf(listed: readonly string[], peers: number): number[] {
  const counters = listed.map((text) => [...text.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets)));
  return Array.from({ length: peers }, (_, i) => counters.reduce((sum, end) => sum + (end[i] ?? 0), 0));
}

/** Whether packets can be dropped here, in a namespace that is gone again. */
export function tryFence(): void {
  run('unshare', '--net', 'nft', 'add', 'table', ...TABLE);
}

/** As nft reads it: for the node, and for this end of its cable. */
export function rulesets(peers: readonly Peer[], direction: Direction, device: string): readonly [string, string] {
  return [
    direction === 'out' ? '' : dropAll(peers.map(toNode)),
    direction === 'in' ? '' : dropAll(peers.map((peer) => fromNode(peer, device))),
  ];
}

function dropAll(matches: readonly string[]): string {
  const chain = ['type filter hook input priority 0;', ...matches.map((match) => `${match} counter drop`)];
  return `table ${TABLE.join(' ')} {\nchain arriving {\n${chain.join('\n')}\n}\n}\n`;
}

function toNode(peer: Peer): string {
  return 'ownPort' in peer ? `tcp dport ${peer.ownPort}` : `ip saddr ${peer.address} tcp sport ${peer.port}`;
}

function fromNode(peer: Peer, device: string): string {
  const match = 'ownPort' in peer ? `tcp sport ${peer.ownPort}` : `ip daddr ${peer.address} tcp dport ${peer.port}`;
  return `iifname "${device}" ${match}`;
}
