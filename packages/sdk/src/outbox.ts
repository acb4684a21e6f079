import type { NewMessage, OutboxItem, OutboxStorage } from './types.ts';
import { ulid } from './ulid.ts';

/** What is sent, under a new mid. A copy: what is sent again must be what was sent first. */
export function itemOf(cid: string, { kind = 'text', ...message }: NewMessage): OutboxItem {
  return structuredClone<OutboxItem>({ ...message, cid, mid: ulid(), kind, createdAt: Date.now() });
}

/** Forgets with the page. */
export function memoryOutbox(): OutboxStorage {
  const items = new Map<string, OutboxItem>();
  return {
    load: async () => [...items.values()],
    put: async (item) => void items.set(keyOf(item.cid, item.mid), item),
    remove: async (cid, mid) => void items.delete(keyOf(cid, mid)),
  };
}

/** Survives a reload: one IndexedDB database of this name. Give each user its own, or one sends what the other wrote. */
export function indexedDbOutbox(name: string): OutboxStorage {
  let opened: Promise<IDBDatabase> | undefined;

  function open(): Promise<IDBDatabase> {
    opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        const store = request.result.createObjectStore('items', { keyPath: ['cid', 'mid'] });
        store.createIndex('createdAt', ['createdAt', 'mid']);
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => {
        // The next call tries again.
        opened = undefined;
        reject(request.error);
      };
    });
    return opened;
  }

  async function write(work: (store: IDBObjectStore) => void): Promise<void> {
    const db = await open();
    return new Promise((resolve, reject) => {
      const transaction = db.transaction('items', 'readwrite', { durability: 'strict' });
      transaction.oncomplete = () => resolve();
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
      work(transaction.objectStore('items'));
    });
  }

  return {
    put: (item) => write((store) => store.put(item)),
    remove: (cid, mid) => write((store) => store.delete([cid, mid])),
    async load() {
      const db = await open();
      return new Promise((resolve, reject) => {
        const request = db.transaction('items').objectStore('items').index('createdAt').getAll();
        request.onsuccess = () => resolve(request.result as OutboxItem[]);
        request.onerror = () => reject(request.error);
      });
    },
  };
}

const keyOf = (cid: string, mid: string) => `${cid} ${mid}`;
