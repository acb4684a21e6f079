import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import fastifyStatic from '@fastify/static';
import { ChatError } from '@gapless/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from './problem.ts';

/** Below these nothing is a page of the web app, so a wrong address must say so. */
const NO_PAGES = /^\/(v1|ws|sse|api)(\/|$)/;

const NOTE = 'Gapless is running. The web app is not built here; the API is described at /openapi.json.\n';

/** Serves the built web app, if there is one, and decides what an unknown address gets. */
export async function serveWebApp(app: FastifyInstance, webRoot: string): Promise<void> {
  if (!existsSync(join(webRoot, 'index.html'))) {
    app.get('/', (_request, reply) => reply.type('text/plain; charset=utf-8').send(NOTE));
    app.setNotFoundHandler(notFound);
    return;
  }
  const assets = join(webRoot, 'assets') + sep;
  await app.register(fastifyStatic, {
    root: webRoot,
    cacheControl: false,
    dotfiles: 'ignore',
    // Built assets carry a hash of their content in their name; all else keeps its name and is asked for again.
    setHeaders: (reply, path) => {
      reply.header('cache-control', path.startsWith(assets) ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  app.setNotFoundHandler((request, reply) => (isPage(request) ? reply.sendFile('index.html') : notFound(request, reply)));
}

function isPage({ method, url, headers }: FastifyRequest): boolean {
  return method === 'GET' && (headers.accept ?? '').includes('text/html') && !NO_PAGES.test(url.split('?', 1)[0]!);
}

function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(new ChatError('not_found'), request, reply);
}
