import type { Presence, PresenceState } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { PRESENCE_GRACE_MS } from '@gapless/protocol';

interface Entry {
  conns: Set<string>;
  lastSeen?: number;
  /** Ends the grace after the last connection. */
  cancel?: () => void;
}

/** Users whose last connection ended that are remembered for `lastSeen`. */
const OFFLINE_KEPT_MAX = 100_000;

/** Presence of one process; needs no leases, since a connection's end is always seen. */
export function openMemoryPresence({ clock, graceMs = PRESENCE_GRACE_MS }: { clock: Clock; graceMs?: number }): Presence {
  const entries = new Map<string, Entry>();
  const lastSeen = new Map<string, number>();
  const listeners = new Set<(state: PresenceState) => void>();

  const tell = (state: PresenceState) => {
    for (const listener of listeners) listener(state);
  };

  function goOffline(uid: string, at: number): void {
    entries.delete(uid);
    lastSeen.delete(uid);
    lastSeen.set(uid, at);
    if (lastSeen.size > OFFLINE_KEPT_MAX) lastSeen.delete(lastSeen.keys().next().value!);
    tell({ uid, online: false, lastSeen: at });
  }

  function stateOf(uid: string): PresenceState {
    if (entries.has(uid)) return { uid, online: true };
    const at = lastSeen.get(uid);
    return at === undefined ? { uid, online: false } : { uid, online: false, lastSeen: at };
  }

  return {
    capabilities: { multiProcess: false },

    touch(uid, conn) {
      const entry = entries.get(uid);
      if (entry === undefined) {
        entries.set(uid, { conns: new Set([conn]) });
        tell({ uid, online: true });
        return;
      }
      entry.cancel?.();
      delete entry.cancel;
      entry.conns.add(conn);
    },

    leave(uid, conn) {
      const entry = entries.get(uid);
      if (entry === undefined || !entry.conns.delete(conn) || entry.conns.size > 0) return;
      const at = clock.now();
      entry.cancel = clock.after(graceMs, () => goOffline(uid, at));
    },

    list: async (uids) => uids.map(stateOf),

    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      for (const entry of entries.values()) entry.cancel?.();
      entries.clear();
      listeners.clear();
    },
  };
}
