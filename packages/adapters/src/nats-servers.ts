import type { ConnectionOptions } from '@nats-io/transport-node';

/** Where to connect, by a URL or several with commas between. The client does not look for credentials in an address: the first one's are taken. */
export function natsServers(url: string): ConnectionOptions {
  const servers = url.split(',').map((at) => new URL(at.includes('://') ? at : `nats://${at}`));
  const user = decodeURIComponent(servers[0]!.username);
  const pass = decodeURIComponent(servers[0]!.password);
  const credentials = pass !== '' ? { user, pass } : user !== '' ? { token: user } : {};
  const tls = servers[0]!.protocol === 'tls:' ? { tls: {} } : {};
  return { servers: servers.map(({ host }) => host), ...credentials, ...tls };
}
