import { conformanceOver } from './nodes.ts';

// Goal: no client can tell two nodes from one. Method: the conformance suite again.

await conformanceOver('nats', () => import('../conformance/transports.test.ts'));
