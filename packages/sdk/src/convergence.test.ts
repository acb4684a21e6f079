import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { createClient } from './client.ts';
import { memoryOutbox } from './outbox.ts';
import { FakeServer, problem } from './testing/fake-server.ts';
import { outcome, range, until } from './testing/setup.ts';
import type { Message } from './types.ts';

// Goal: whatever is dropped, doubled or cut off, the client ends with the server's list: each message once, in order, none missing;
// and what the user sent is there once, in the order of the calls. Method: random faults between random deeds.

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: 'post' as const }) },
  { weight: 3, arbitrary: fc.constant({ do: 'send' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('edit' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.constantFrom({ do: 'drop' as const }, { do: 'down' as const }, { do: 'up' as const }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ do: 'reset' as const }, { do: 'goaway' as const }, { do: 'close' as const }, { do: 'open' as const }),
  },
  // What the wire does with the frames of a time: nothing, twice each, or some lost.
  { weight: 2, arbitrary: fc.constantFrom({ do: 'clean' as const }, { do: 'double' as const }, { do: 'lose' as const }) },
  { weight: 2, arbitrary: fc.constantFrom({ do: 'refuse' as const }, { do: 'failHttp' as const }) },
  // A network without WebSocket, and with it again; a conversation that grows too large to be pushed, and shrinks.
  { weight: 2, arbitrary: fc.constantFrom({ do: 'block' as const }, { do: 'swallow' as const }, { do: 'free' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      mode: fc.constantFrom('push' as const, 'notify' as const, 'none' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ do: 'failPost' as const }, { do: 'wait' as const, ms: 90_000 }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3_000 }) }) },
);

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('random faults: the server’s list, exactly once, in order', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      vi.useFakeTimers();
      // So that a counterexample comes again.
      vi.spyOn(Math, 'random').mockReturnValue(0.5);
      const server = new FakeServer();
      server.sse = true;
      const state = server.open('c1');
      const outbox = memoryOutbox();
      const client = createClient({
        url: 'https://x.org',
        getToken: async () => 'token-ann',
        WebSocket: server.WebSocket,
        fetch: server.fetch,
        outbox,
      });
      const conversation = client.conversation('c1');
      const heard: number[] = [];
      const sent: Promise<Message>[] = [];
      client.on('message', ({ seq }) => heard.push(seq!));
      const shown = () => conversation.getSnapshot().messages;
      conversation.subscribe(() => {
        // At every moment: no seq twice, none missing between the first and the last.
        const seqs = shown().flatMap(({ seq }) => seq ?? []);
        expect(seqs).toEqual(range(seqs[0] ?? 1, (seqs[0] ?? 1) + seqs.length - 1));
        expect(new Set(shown().map(({ mid }) => mid)).size).toBe(shown().length);
      });
      client.connect();
      conversation.open();
      let opens = 1;
      let written = 0;
      let posted = 0;
      let lost = 0;
      let refusals = 0;
      let httpFailures = 0;
      let postFailures = 0;
      server.intercept = (socket, frame) => {
        if (frame.t !== 'send' || refusals === 0) return false;
        refusals--;
        socket.down({ t: 'error', code: 'store_unavailable', msg: '', ref: { t: 'send', cid: 'c1', mid: frame.mid }, retryAfterMs: 100 });
        return true;
      };
      server.onRequest = () => (httpFailures-- > 0 ? Promise.reject(new TypeError('fetch failed')) : undefined);
      server.onPost = () => {
        if (postFailures <= 0) return undefined;
        return postFailures-- % 2 === 0 ? problem(503, 'server_busy', 100) : new TypeError('fetch failed');
      };

      for (const each of steps) {
        if (each.do === 'post') server.post('c1', 'bob', 'x', `bob-${++posted}`);
        else if (each.do === 'send') sent.push(conversation.send({ body: { text: `${++written}` } }));
        else if (each.do === 'edit' && state.head > 0) server.edit('c1', (each.at % state.head) + 1, `edited ${state.rev}`);
        else if (each.do === 'drop') server.drop();
        else if (each.do === 'down') {
          server.down = true;
          server.drop();
        } else if (each.do === 'up') server.down = false;
        else if (each.do === 'reset') state.oldestRev = state.rev + 1;
        else if (each.do === 'goaway') server.tell({ t: 'goaway', reconnectInMs: 200 });
        else if (each.do === 'close' && opens > 0) {
          opens--;
          conversation.close();
        } else if (each.do === 'open') {
          opens++;
          conversation.open();
        } else if (each.do === 'clean') server.onWire = (frame) => [frame];
        else if (each.do === 'double') server.onWire = (frame) => [frame, frame];
        // A lost `message` of an edit cannot be noticed by its seq, so only new ones are lost; acks may be.
        else if (each.do === 'lose')
          server.onWire = (frame) =>
            (frame.t === 'ack' || (frame.t === 'message' && frame.editedAt === undefined)) && lost++ % 3 === 0 ? [] : [frame];
        else if (each.do === 'refuse') refusals = 2;
        else if (each.do === 'failHttp') httpFailures = 2;
        else if (each.do === 'failPost') postFailures = 2;
        else if (each.do === 'block') server.webSocket = 'refused';
        else if (each.do === 'swallow') server.webSocket = 'swallowed';
        else if (each.do === 'free') server.webSocket = 'free';
        else if (each.do === 'deliver') server.setMode('c1', each.mode);
        else if (each.do === 'wait') await vi.advanceTimersByTimeAsync(each.ms);
      }

      // All is well again, and one more message shows what was lost last.
      server.down = false;
      server.onWire = (frame) => [frame];
      state.oldestRev = 0;
      server.setMode('c1', 'push');
      if (opens === 0) conversation.open();
      await outcome(Promise.all(sent));
      server.post('c1', 'bob', 'last', 'bob-last');
      await until(() => conversation.getSnapshot().loaded && shown().at(-1)?.mid === 'bob-last', 'the last one is there');
      while (conversation.getSnapshot().hasOlder) await conversation.loadOlder();

      expect(shown().map(({ seq, mid, body }) => ({ seq, mid, body }))).toEqual(
        state.messages.map(({ seq, mid, body }) => ({ seq, mid, body })),
      );
      const own = state.messages.filter(({ from }) => from === 'ann');
      expect(own.length).toBe(written);
      expect(own.map(({ mid }) => mid)).toEqual(own.map(({ mid }) => mid).toSorted());
      expect(await outbox.load()).toEqual([]);
      expect(heard).toEqual(heard.toSorted((a, b) => a - b));
      expect(new Set(heard).size).toBe(heard.length);
      client.close();
    }),
    { numRuns: Number(process.env.SDK_RUNS ?? 300) },
  );
});
