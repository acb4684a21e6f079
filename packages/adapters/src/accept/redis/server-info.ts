/** What this client needs to know of the process that it talks to. */
export interface ServerInfo {
  /** Of this very run of the process. */
  readonly run: string;
  readonly isPrimary: boolean;
  readonly maxmemoryPolicy: string;
}

/** This Redis cannot be used; trying again does not help before somebody changes it. */
export class UnfitRedis extends Error {
  constructor(why: string) {
    super(`accept log: ${why}`);
    this.name = 'UnfitRedis';
  }
}

/** Streams that can be claimed came with this. */
const VERSION_MIN = [6, 2] as const;

/** @throws UnfitRedis */
export function readInfo(info: string): ServerInfo {
  const fields = new Map(info.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  const version = fields.get('redis_version') ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1]))
    throw new UnfitRedis(`Redis ${version} is too old, it takes ${VERSION_MIN.join('.')} or newer`);
  if (fields.get('cluster_enabled') === '1')
    throw new UnfitRedis('Redis Cluster cannot be used, it takes one server, or a primary with replicas');
  const maxmemoryPolicy = fields.get('maxmemory_policy') ?? '';
  if (maxmemoryPolicy.startsWith('allkeys'))
    throw new UnfitRedis(`with maxmemory-policy ${maxmemoryPolicy} Redis would throw away accepted messages, set it to noeviction`);
  const run = fields.get('run_id') ?? '';
  if (run === '' || !fields.has('master_replid2')) throw new UnfitRedis('this server does not tell in which run it is, as Redis does');
  return { run, isPrimary: fields.get('role') === 'master', maxmemoryPolicy };
}
