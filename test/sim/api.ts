import { type Actor, ChatError } from '@gapless/core';
import { renderConversationDetail, renderConversationPage, renderMessagePage } from '../../packages/api/src/render.ts';
import type { Network, Reader } from './network.ts';
import { type ServerNode, verified } from './node.ts';

// The HTTP API without HTTP: the routes that the SDK calls, over the simulated network. Texts are made as packages/api makes them.

interface Request {
  readonly method: string;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** `fetch` as one client has it. */
export function fetchOf(network: Network, reader: Reader): typeof fetch {
  const { world } = network;
  const { process } = reader;
  const call = (href: string, init: RequestInit): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const answer = (run: () => void) => world.in(process, network.delay(), () => reader.offline || run());
      const refuse = () => answer(() => reject(new TypeError('fetch failed')));
      init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      world.in(world.outside, network.delay(), () => {
        const node = reader.offline ? undefined : network.balance();
        if (!node?.process.alive) return refuse();
        world.in(node.process, 0, () => {
          const token = (init.headers as Record<string, string>).authorization!.slice(7);
          void respond(node, token, requestOf(href, init), world.timeOf(node.process)).then((done) =>
            answer(() => {
              world.note(() => `hears ${init.method ?? 'GET'} ${href}: ${done.status} ${done.text}`);
              resolve(done);
            }),
          );
        });
      });
      // Who goes offline learns of it.
      if (reader.offline) refuse();
    });
  return (async (href: string, init: RequestInit = {}) => {
    const { status, text } = await call(href, init);
    return { ok: status < 400, status, headers: new Headers(), text: async () => text };
  }) as unknown as typeof fetch;
}

function requestOf(href: string, { method = 'GET', body }: RequestInit): Request {
  const { pathname, searchParams } = new URL(href);
  const [, , ...path] = pathname.split('/').map(decodeURIComponent);
  return { method, path, query: searchParams, body: body === undefined ? {} : JSON.parse(body as string) };
}

async function respond(node: ServerNode, token: string, request: Request, now: number): Promise<Answer> {
  try {
    const { uid, role } = verified(token, now);
    return await route(node, { uid, role }, request);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    const { code, message, retryAfterMs } = error;
    return { status: error.http, text: JSON.stringify({ code, detail: message, retryAfterMs }) };
  }
}

async function route({ chat }: ServerNode, actor: Actor, { method, path, query, body }: Request): Promise<Answer> {
  const [, cid, part, uid] = path;
  const number = (name: string) => (query.has(name) ? { [name]: Number(query.get(name)) } : {});
  const ok = (text: string, status = 200): Answer => ({ status, text });
  const detail = async (id: string) => ok(renderConversationDetail(await chat.conversation(actor, id)));
  if (cid === undefined) {
    if (method === 'GET')
      return ok(renderConversationPage(await chat.conversations(actor, { cursor: query.get('cursor') ?? undefined, ...number('limit') })));
    const { conversation, created } = await chat.createConversation(actor, body as Parameters<typeof chat.createConversation>[1]);
    return ok(renderConversationDetail(conversation), created ? 201 : 200);
  }
  switch (`${method} ${part ?? ''}`) {
    case 'GET messages':
      return ok(renderMessagePage(await chat.messages(actor, cid, { ...number('after'), ...number('before'), ...number('limit') })));
    case 'GET ':
      return detail(cid);
    case 'PATCH ':
      await chat.updateConversation(actor, cid, body as { title: string });
      return detail(cid);
    case 'POST participants': {
      const { userIds, role } = body as { userIds: string[]; role?: 'admin' | 'member' };
      await chat.addParticipants(actor, cid, { users: userIds, role });
      return detail(cid);
    }
    case 'DELETE participants':
      await chat.removeParticipant(actor, cid, uid!);
      return ok('', 204);
    default:
      throw new ChatError('not_found');
  }
}
