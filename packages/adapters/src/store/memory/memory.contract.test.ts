import { storeContract } from '@gapless/testkit/contract';
import { openMemoryStore } from './index.ts';

const GONE = 'a memory store ends with its process';

storeContract('memory', { open: async () => openMemoryStore() }, [
  { test: 'reopening keeps everything', reason: GONE },
  { test: 'after close everything is refused, and closing again is nothing', reason: GONE },
]);
