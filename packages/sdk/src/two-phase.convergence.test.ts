import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { createClient } from './client.ts';
import { memoryOutbox } from './outbox.ts';
import { FakeServer } from './testing/fake-server.ts';
import { outcome, range, until } from './testing/setup.ts';

// Goal: whatever is accepted, saved, lost, cut off or said twice, in any order: each call to `send` resolves once, with a number that
// stands, nothing shows twice at any moment, and the end is the server's list. Method: random faults between random deeds.

const plain = <T extends string>(...deeds: T[]) => fc.constantFrom(...deeds.map((deed) => ({ do: deed })));
const step = fc.oneof(
  { weight: 6, arbitrary: plain('send', 'post') },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('save' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  // Bits: which of those that are accepted are saved all the same.
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const), kept: fc.nat(255), reserved: fc.nat(3) }) },
  { weight: 2, arbitrary: plain('drop', 'down', 'up', 'close', 'open', 'reset', 'edit') },
  { weight: 2, arbitrary: plain('clean', 'double', 'lose', 'refuse') },
  { weight: 1, arbitrary: plain('twoPhase', 'onePhase', 'show', 'hide') },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 2_000 }) }) },
);

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('random outcomes of accepted messages: each once, none twice at any moment, and what is promised stands', {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, sendWindow) => {
      vi.useFakeTimers();
      // So that a counterexample comes again.
      vi.spyOn(Math, 'random').mockReturnValue(0.5);
      const server = new FakeServer();
      server.twoPhase = true;
      const state = server.open('c1');
      const outbox = memoryOutbox();
      const { WebSocket, fetch } = server;
      const options = { url: 'https://x.org', getToken: async () => 'token-ann', WebSocket, fetch, outbox, sendWindow };
      const client = createClient({ ...options, transport: 'websocket' });
      const conversation = client.conversation('c1');
      const heard: string[] = [];
      const sent: Promise<void>[] = [];
      client.on('message', ({ mid }) => heard.push(mid));
      const shown = () => conversation.getSnapshot().messages;
      conversation.subscribe(() => {
        const seqs = shown().flatMap(({ seq }) => seq ?? []);
        expect(seqs).toEqual(range(seqs[0] ?? 1, (seqs[0] ?? 1) + seqs.length - 1));
        expect(new Set(shown().map(({ mid }) => mid)).size).toBe(shown().length);
      });
      client.connect();
      conversation.open();
      let opens = 1;
      let written = 0;
      let lost = 0;
      let refusals = 0;
      server.intercept = (socket, frame) => {
        if (frame.t !== 'send' || refusals === 0) return false;
        const code = refusals-- % 2 === 0 ? 'store_unavailable' : 'server_busy';
        socket.down({ t: 'error', code, msg: '', ref: { t: 'send', cid: 'c1', mid: frame.mid }, retryAfterMs: 100 });
        return true;
      };
      const send = async () => {
        const { mid, seq } = await conversation.send({ body: { text: `${++written}` } });
        const kept = state.messages[seq! - 1]!;
        expect([kept.mid, kept.stage]).toEqual([mid, undefined]);
      };

      for (const each of steps) {
        if (each.do === 'send') sent.push(send());
        else if (each.do === 'post') server.post('c1', 'bob', 'x');
        else if (each.do === 'save') server.save('c1', each.count);
        else if (each.do === 'settle') server.settle('c1', (n) => ((each.kept >> (n % 8)) & 1) === 1, each.reserved);
        else if (each.do === 'edit' && state.messages[0]?.kind === 'text') server.edit('c1', 1, `edited ${state.rev}`);
        else if (each.do === 'drop') server.drop();
        else if (each.do === 'down') {
          server.down = true;
          server.drop();
        } else if (each.do === 'up') server.down = false;
        else if (each.do === 'reset') state.oldestRev = state.rev + 1;
        else if (each.do === 'close' && opens > 0) {
          opens--;
          conversation.close();
        } else if (each.do === 'open') {
          opens++;
          conversation.open();
        } else if (each.do === 'clean') server.onWire = (frame) => [frame];
        else if (each.do === 'double') server.onWire = (frame) => [frame, frame];
        // New messages, whose gap is noticed, and every answer to a send.
        else if (each.do === 'lose')
          server.onWire = (frame) =>
            (frame.t === 'ack' || frame.t === 'error' || (frame.t === 'message' && frame.editedAt === undefined)) && lost++ % 3 === 0
              ? []
              : [frame];
        else if (each.do === 'refuse') refusals = 2;
        else if (each.do === 'twoPhase' || each.do === 'onePhase') {
          server.save('c1');
          server.twoPhase = each.do === 'twoPhase';
        } else if (each.do === 'show' || each.do === 'hide') {
          server.save('c1');
          state.hidesUnsaved = each.do === 'hide';
        } else if (each.do === 'wait') await vi.advanceTimersByTimeAsync(each.ms);
      }

      // All is well again, and one more message shows what was lost last.
      server.down = false;
      server.onWire = (frame) => [frame];
      state.oldestRev = 0;
      server.save('c1');
      server.twoPhase = false;
      if (opens === 0) conversation.open();
      await outcome(Promise.all(sent));
      server.post('c1', 'bob', 'last', 'bob-last');
      await until(() => conversation.getSnapshot().loaded && shown().at(-1)?.mid === 'bob-last', 'the last one is there');
      while (conversation.getSnapshot().hasOlder) await conversation.loadOlder();

      // One that was lost before the eyes of the client has no mid of the server's.
      const essence = ({ seq, kind, mid, body }: { seq?: number; kind: string; mid: string; body: object }) =>
        kind === 'lost' ? { seq, kind } : { seq, kind, mid, body };
      expect(shown().map(essence)).toEqual(state.messages.map(essence));
      expect(state.messages.filter(({ from }) => from === 'ann').length).toBe(written);
      expect(new Set(heard).size).toBe(heard.length);
      expect(shown().every(({ stage }) => stage === undefined)).toBe(true);
      expect(await outbox.load()).toEqual([]);
      client.close();
    }),
    { numRuns: Number(process.env.SDK_RUNS ?? 300) },
  );
});
