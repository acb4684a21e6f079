import { brokerContract } from '@gapless/testkit/contract';
import { openMemoryBroker } from './index.ts';

brokerContract('memory', async () => openMemoryBroker());
