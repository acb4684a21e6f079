/** How a conversation reaches connections that can pull: bodies at once, a notice of the head, or nothing. */
export type Delivery = 'push' | 'notify' | 'none';

/** When a conversation is large. Read at every decision, so that each can be changed while running. Names and defaults come from the source project. */
export interface StrategyRules {
  /** `auto` decides by the thresholds; any other holds for all conversations. */
  mode: 'auto' | Delivery;
  /** Participants from which `auto` notifies instead of pushing. */
  groupSizeThreshold: number;
  /** Users who joined it live, on this node, from which `auto` notifies. */
  onlineUserThreshold: number;
  /** Users who joined it live from which even notices are too many. */
  notifyMaxOnlineUser: number;
  /** Participants from which nothing is told. */
  hugeGroupNoNotifySize: number;
}

export const STRATEGY: StrategyRules = {
  mode: 'auto',
  groupSizeThreshold: 2_000,
  onlineUserThreshold: 500,
  notifyMaxOnlineUser: 2_000,
  hugeGroupNoNotifySize: 10_000,
};

/** Going back takes so much less than going there: who stands at a threshold must not flap. */
const BACK_AT = 0.8;

/** What the rules say of a conversation that is delivered as `now`. */
export function deliveryOf(rules: StrategyRules, { members, online }: { members: number; online: number }, now: Delivery): Delivery {
  const { mode, groupSizeThreshold, onlineUserThreshold, notifyMaxOnlineUser, hugeGroupNoNotifySize } = rules;
  if (mode === 'push' || mode === 'none') return mode;
  const reaches = (value: number, threshold: number, already: boolean) => value >= (already ? threshold * BACK_AT : threshold);
  const large =
    mode === 'notify' || reaches(members, groupSizeThreshold, now !== 'push') || reaches(online, onlineUserThreshold, now !== 'push');
  if (reaches(members, hugeGroupNoNotifySize, now === 'none')) return 'none';
  if (large && reaches(online, notifyMaxOnlineUser, now === 'none')) return 'none';
  return large ? 'notify' : 'push';
}
