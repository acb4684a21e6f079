import { storeContract } from '@gapless/testkit/contract';
import { openSqliteStore } from './index.ts';
import { neverFatal, tempDatabases } from './temp.test-util.ts';

const newPath = tempDatabases();
let path: string;
const reopen = () => openSqliteStore({ path, onFatal: neverFatal });

storeContract('sqlite', {
  open() {
    path = newPath();
    return reopen();
  },
  reopen,
});
