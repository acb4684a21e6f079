import { startNats } from '@gapless/testkit';
import { onServer } from '../server.test-util.ts';
import { openNatsBroker } from './index.ts';

onServer('nats', await startNats(), { nats: { open: (url) => openNatsBroker({ url }) } });
