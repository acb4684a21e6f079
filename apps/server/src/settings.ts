import { isAbsolute, resolve } from 'node:path';

/** One setting: its flag, environment name, help, docs row and check all come from here. */
export interface Setting<T> {
  readonly help: string;
  /** As it would be written in the environment. */
  readonly default: string;
  /** Its name in the environment where that does not follow from its own. */
  readonly env?: string;
  /** Shown instead of the value by `config print`; the environment also takes `…_FILE`. */
  readonly secret?: true;
  /** What `config print` shows of a value that holds a password among other things. */
  readonly shown?: (text: string) => string;
  /** Can be changed while running, through the admin API; the next start has the old value again. */
  readonly live?: true;
  /** What a value may be, in words. */
  readonly values: string;
  /** @throws Error that says what a value may be */
  readonly parse: (text: string) => T;
}

const text = (help: string, fallback = ''): Setting<string> => ({ help, default: fallback, values: 'text', parse: (value) => value });

const secret = (help: string): Setting<string> => ({ ...text(help), secret: true });

const oneOf = <const V extends string>(help: string, values: readonly V[], fallback: V): Setting<V> => ({
  help,
  default: fallback,
  values: values.join(' | '),
  parse(value) {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`one of ${values.join(', ')}`);
    return found;
  },
});

const yesNo = (help: string, fallback: boolean): Setting<boolean> => ({
  help,
  default: String(fallback),
  values: 'true | false',
  parse(value) {
    if (value !== 'true' && value !== 'false') throw new Error('true or false');
    return value === 'true';
  },
});

const live = <T>(setting: Setting<T>): Setting<T> => ({ ...setting, live: true });

const number = (
  help: string,
  { fallback, min, max, whole = true }: { fallback: number; min: number; max: number; whole?: boolean },
): Setting<number> => ({
  help,
  default: String(fallback),
  values: `${whole ? 'whole number' : 'number'} from ${min} to ${max}`,
  parse(value) {
    const parsed = Number(value);
    if (value.trim() === '' || !(parsed >= min && parsed <= max) || (whole && !Number.isInteger(parsed)))
      throw new Error(`a ${this.values}`);
    return parsed;
  },
});

const list = (help: string): Setting<readonly string[]> => ({
  help,
  default: '',
  values: 'list with commas',
  parse: (value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
});

const url = (help: string): Setting<string> => ({
  help,
  default: '',
  values: 'http(s) URL, or empty',
  parse(value) {
    if (value !== '' && !/^https?:$/.test(URL.canParse(value) ? new URL(value).protocol : '')) throw new Error('an http(s) URL');
    return value;
  },
});

/** Text with URLs in it as it may be shown and logged: without who signs in there, and with what. */
export function withoutPassword(url: string): string {
  // Up to the last @: an unescaped one in a password is not its end. Several servers are one place.
  return url.replace(/(:\/\/)\S*@/g, '$1********@').replace(/([?&]\w*(?:password|secret|token|key)\w*=)[^&\s]*/gi, '$1********');
}

/** One of the words, or a URL of one of the schemes; a password in it is not shown. */
const place = (help: string, words: readonly string[], schemes: readonly string[], fallback: string): Setting<string> => ({
  help,
  default: fallback,
  secret: true,
  values: [...words, ...schemes.map((scheme) => `${scheme}://…`)].join(' | '),
  parse(value) {
    const scheme = /^([a-z]+):\/\/[^/?#]/.exec(value)?.[1];
    if (scheme === 'kafka' && value.includes('@')) throw new Error('a kafka:// URL without user and password: SASL is not supported');
    if (words.includes(value) || (scheme !== undefined && schemes.includes(scheme))) return value;
    throw new Error(`one of ${this.values}`);
  },
  shown: withoutPassword,
});

/** First part of keys in Redis. */
const key = (help: string, fallback: string): Setting<string> => ({
  help,
  default: fallback,
  values: '1 to 100 letters, digits and : _ - .',
  parse(value) {
    if (!/^[\w:.-]{1,100}$/.test(value)) throw new Error(`${this.values}`);
    return value;
  },
});

/** Every setting of the server. `GAPLESS_` + upper snake case is the environment name unless `env` says another, kebab case the flag. */
export const SETTINGS = {
  host: text('Address to listen on.', '127.0.0.1'),
  port: number('Port to listen on; 0 takes a free one.', { fallback: 9001, min: 0, max: 65_535 }),
  dataDir: {
    ...text('Folder of the database and the secret.', './data'),
    parse: (value: string) => (isAbsolute(value) ? value : resolve(value)),
  },
  jwtSecret: secret('Secret of HS256 tokens; 32 characters or more. Empty: one is made in the data folder, mode 0600.'),
  jwksUrl: url('Keys of your identity provider (RS256, ES256, EdDSA).'),
  jwtIssuer: text('`iss` that tokens of that provider must carry. Set it, and the audience, where the provider serves other apps too.'),
  jwtAudience: text('`aud` that tokens of that provider must carry.'),
  store: place(
    'Where messages are kept: a SQLite file in the data folder, memory (for trying out: gone at the end), or PostgreSQL 15 or newer, which many nodes share.',
    ['sqlite', 'memory'],
    ['postgres', 'postgresql'],
    'sqlite',
  ),
  postgresLanes: number(
    'Commits of this process at a time on PostgreSQL. 2 where one node alone takes more than 15,000 messages a second.',
    {
      fallback: 1,
      min: 1,
      max: 16,
    },
  ),
  broker: place('Between nodes; one node needs none.', ['memory'], ['redis', 'rediss', 'nats', 'tls', 'kafka'], 'memory'),
  redisShardedPubsub: oneOf(
    'Broker on a Redis cluster (7 or newer): each message goes to the shard of its channel, not to all.',
    ['on', 'off'],
    'off',
  ),
  presence: place(
    'Who is online, over all nodes; auto: the Redis of the broker, else each node knows its own users only.',
    ['auto', 'memory'],
    ['redis', 'rediss'],
    'auto',
  ),
  bus: place('Durable event bus: NATS JetStream or Kafka. Events go there as CloudEvents.', ['none'], ['nats', 'tls', 'kafka'], 'none'),
  relayLagAlertRows: number('Rows of the log that may wait for the event bus in one part before a warning is logged.', {
    fallback: 10_000,
    min: 1,
    max: 1_000_000_000,
  }),
  relayLagAlertSeconds: number('Age of the oldest of them before a warning is logged.', { fallback: 60, min: 1, max: 86_400 }),
  role: oneOf(
    'What this process does: gateway serves clients, worker feeds the event bus, all does both.',
    ['all', 'gateway', 'worker'],
    'all',
  ),
  nodeId: {
    ...text('Name of this node in logs and metrics; a random part is added. Empty: the host’s name.'),
    values: 'up to 32 letters, digits, - and _',
    parse(value: string) {
      if (!/^[\w-]{0,32}$/.test(value)) throw new Error(`${this.values}`);
      return value;
    },
  },
  reusePort: oneOf(
    'Let several processes of this machine listen on the port; the kernel spreads connections (Linux, FreeBSD).',
    ['on', 'off'],
    'off',
  ),
  rateLimits: oneOf('Token buckets and sign-in throttling. Off is for load tests.', ['on', 'off'], 'on'),
  logLevel: oneOf('Least severe log line that is written.', ['debug', 'info', 'warn', 'error', 'silent'], 'info'),
  logSampleRate: number('Share of successful sends that are logged; errors always are. Can be changed while running.', {
    fallback: 0.01,
    min: 0,
    max: 1,
    whole: false,
  }),
  registration: oneOf('Whether anyone may make a local account.', ['open', 'closed'], 'open'),
  accessTokenMinutes: number('Life of an access token.', { fallback: 30, min: 1, max: 60 }),
  allowedOrigins: list('Web origins that may connect besides the server’s own; * for any.'),
  trustProxy: oneOf('Take the client’s address from X-Forwarded-For. Only behind a proxy that sets it.', ['on', 'off'], 'off'),
  maxConnections: number('Live connections of this process; more are answered 503.', { fallback: 50_000, min: 1, max: 1_000_000 }),
  bodyMaxBytes: number('Largest message body.', { fallback: 16_384, min: 64, max: 49_152 }),
  drainSpreadMs: number('On SIGTERM, clients are asked to reconnect spread over this time.', { fallback: 2_000, min: 0, max: 60_000 }),
  singleSession: live(
    oneOf(
      'One device at a time for each user: a newer connection ends those of other devices with a kick. Tokens with role admin are not counted.',
      ['on', 'off'],
      'off',
    ),
  ),
  wsBackpressureEnabled: live(
    yesNo('Watch what connections take. Without it everything is written at once, and a slow client costs memory without bound.', true),
  ),
  wsBackpressureWriteBufferLowWaterMarkBytes: live(
    number('A connection that was not writable is again, at this many unsent bytes.', { fallback: 262_144, min: 0, max: 67_108_864 }),
  ),
  wsBackpressureWriteBufferHighWaterMarkBytes: live(
    number('A connection with this many unsent bytes is not writable.', { fallback: 524_288, min: 16_384, max: 67_108_864 }),
  ),
  wsBackpressureCloseUnwritableAfterMs: live(
    number('A connection that is not writable and takes nothing for this long is closed 4409; negative: never.', {
      fallback: 3_000,
      min: -1,
      max: 3_600_000,
    }),
  ),
  wsBackpressureDropWhenUnwritable: live(
    yesNo(
      'Write nothing to a connection that is not writable: messages wait at its position in the log, typing and presence are dropped.',
      true,
    ),
  ),
  groupChatStrategyMode: live(
    oneOf(
      'How conversations reach clients that can pull: push bodies, notify of the head, none, or auto by the thresholds below. Other clients are always pushed.',
      ['auto', 'push', 'notify', 'none'],
      'auto',
    ),
  ),
  groupChatStrategyGroupSizeThreshold: live(
    number('Participants from which auto notifies.', { fallback: 2_000, min: 1, max: 100_000_000 }),
  ),
  groupChatStrategyOnlineUserThreshold: live(
    number('Users listening on this node from which auto notifies.', { fallback: 500, min: 1, max: 100_000_000 }),
  ),
  groupChatStrategyNotifyMaxOnlineUser: live(
    number('Users listening on this node from which nothing is told.', { fallback: 2_000, min: 1, max: 100_000_000 }),
  ),
  groupChatStrategyHugeGroupNoNotifySize: live(
    number('Participants from which nothing is told.', { fallback: 10_000, min: 1, max: 100_000_000 }),
  ),
  ensureMembers: live(
    oneOf(
      'When the own read position of who sends is written: ack, a moment after the message, merged; send, in the transaction of each message, which also looks whether the member row is there.',
      ['ack', 'send'],
      'ack',
    ),
  ),
  twoPhaseEnabled: live(
    yesNo(
      'Two-phase acks: a message is answered accepted when it is in the accept log (Redis), and saved when its batch is committed.',
      false,
    ),
  ),
  twoPhasePercent: live(
    number('Conversations for which it is on, by the hash of their id; the others are answered when saved.', {
      fallback: 100,
      min: 0,
      max: 100,
    }),
  ),
  twoPhaseDeliverBeforeSaved: live(
    yesNo('Others see a message when it is accepted; else when it is saved. Until it is saved it carries stage: accepted.', false),
  ),
  twoPhaseFailOpen: live(
    yesNo(
      'While Redis is away the database takes the messages; else they are refused with server_busy or store_unavailable until it is back.',
      true,
    ),
  ),
  twoPhaseRedis: place(
    'Redis of the accept log: one server, or a primary with replicas, with appendonly on and maxmemory-policy noeviction. auto: that of the broker, where nodes share a database.',
    ['auto', 'none'],
    ['redis', 'rediss'],
    'auto',
  ),
  twoPhaseAcceptedStreamKey: key(
    'Two-phase acks: first part of the names of all keys. A cluster of nodes has its own.',
    'gapless:stream:accepted',
  ),
  twoPhaseDeliverGroup: key('Two-phase acks: consumer group of those who announce.', 'gapless:cg:deliver'),
  twoPhaseSaveGroup: key('Two-phase acks: consumer group of those who save.', 'gapless:cg:save'),
  twoPhaseShards: number('Two-phase acks: streams; each is saved by one node at a time. Taken over when an epoch begins.', {
    fallback: 16,
    min: 1,
    max: 1_024,
  }),
  twoPhaseBatchSize: number('Two-phase acks: entries of one stream in one batch.', { fallback: 200, min: 1, max: 1_000 }),
  twoPhaseBlockMs: number('Two-phase acks: how long a worker waits for the first entry, and between two rounds of announcements.', {
    fallback: 200,
    min: 10,
    max: 10_000,
  }),
  twoPhaseLeaderLockTtlMs: number('Two-phase acks: a stream whose worker died is another’s after that.', {
    fallback: 2_000,
    min: 200,
    max: 60_000,
  }),
  twoPhaseBacklogMax: number(
    'Two-phase acks: messages accepted and not saved, over all conversations, before more are answered server_busy.',
    {
      fallback: 100_000,
      min: 100,
      max: 10_000_000,
    },
  ),
  roomsKafkaTopic: {
    ...text('Rooms dialect over Kafka: the topic; with {room} in it, one for each room.', 'rt.room.v1'),
    env: 'REALTIME_KAFKA_TOPIC_TEMPLATE',
    values: 'name of a topic',
    parse(value: string) {
      if (!/^[\w.{}-]{1,200}$/.test(value)) throw new Error(this.values);
      return value;
    },
  },
  roomsSendQueueMax: {
    ...number('Rooms dialect: frames that wait for one slow connection.', { fallback: 100, min: 1, max: 10_000 }),
    env: 'REALTIME_WS_SEND_QUEUE_MAX',
  },
  roomsSendOverflowPolicy: {
    ...oneOf(
      'Rooms dialect: what happens to a message that finds them full; disconnect closes 1013.',
      ['drop_oldest', 'drop_new', 'disconnect'],
      'drop_oldest',
    ),
    env: 'REALTIME_WS_SEND_OVERFLOW_POLICY',
  },
} satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export type Config = { readonly [K in SettingName]: ReturnType<(typeof SETTINGS)[K]['parse']> };

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** Settings that can be changed while running. */
export const LIVE_NAMES = SETTING_NAMES.filter((name) => (SETTINGS[name] as Setting<unknown>).live === true);

/** What no single setting can see. @throws Error that says what is wrong */
export function checkTogether(config: Config): void {
  if (config.wsBackpressureWriteBufferLowWaterMarkBytes > config.wsBackpressureWriteBufferHighWaterMarkBytes)
    throw new Error('ws-backpressure: the low water mark is above the high one');
  const shared = config.store.includes('://');
  if (config.role === 'worker' && config.bus === 'none') throw new Error('role: a worker feeds the event bus, and there is none');
  if (config.role === 'worker' && !shared) throw new Error('role: a worker needs a store that it shares with gateways');
  if (config.twoPhaseEnabled && acceptLogOf(config) === undefined) throw new Error('two-phase-enabled: needs two-phase-redis');
  if (config.reusePort === 'on' && config.port === 0) throw new Error('reuse-port: needs a port');
}

/** Where the accept log is, undefined where there is none. */
export function acceptLogOf({ twoPhaseRedis, broker, store }: Config): string | undefined {
  if (twoPhaseRedis === 'none') return undefined;
  if (twoPhaseRedis !== 'auto') return twoPhaseRedis;
  return store.includes('://') && /^rediss?:/.test(broker) ? broker : undefined;
}

export function environmentName(name: SettingName): string {
  return (SETTINGS[name] as Setting<unknown>).env ?? `GAPLESS_${snake(name).toUpperCase()}`;
}

export function flagName(name: SettingName): string {
  return `--${snake(name).replaceAll('_', '-')}`;
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
