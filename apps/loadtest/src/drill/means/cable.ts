import type { Namespace } from './namespace.ts';
import { run } from './tools.ts';

/** A cable between this process's network and another. */
export interface Cable {
  /** Its device on this side. */
  readonly device: string;
  /** Addresses of this side, and of the other. */
  readonly here: string;
  readonly there: string;
}

/** Lays cable number `index`, 0 to 255. */
export function layCable(namespace: Namespace, index: number): Cable {
  const [here, there] = [`10.77.${index}.1`, `10.77.${index}.2`];
  const device = `cable${index}`;
  run('ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(namespace.pid));
  run('ip', 'address', 'add', `${here}/24`, 'dev', device);
  run('ip', 'link', 'set', device, 'up');
  namespace.run('ip', 'address', 'add', `${there}/24`, 'dev', 'eth0');
  namespace.run('ip', 'link', 'set', 'eth0', 'up');
  return { device, here, there };
}
