import { CODECS } from './codec.ts';
import { DOWN_SCHEMAS } from './down.ts';
import { UP_SCHEMAS } from './up.ts';
import { PROTOCOL_VERSION } from './version.ts';

type Schemas = Readonly<Record<string, object>>;

/** The live protocol as an AsyncAPI 3.0 document, made from the schemas that the server checks with. */
export function asyncApiDocument(): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Gapless live protocol',
      version: PROTOCOL_VERSION,
      description: 'Frames over a WebSocket: one frame per message, or an array of frames of one conversation with `?batch=1`.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      live: {
        address: '/ws',
        description: `Subprotocols: ${CODECS.map((codec) => codec.subprotocol).join(', ')}. \`GET /sse\` and \`POST /sse/{conn}/frames\` carry the same frames over plain HTTP: they stand in /openapi.json.`,
        bindings: {
          ws: {
            method: 'GET',
            query: {
              type: 'object',
              properties: { token: { type: 'string' }, device: { type: 'string' }, batch: { type: 'string', enum: ['1'] } },
            },
          },
        },
        messages: { ...references('up', UP_SCHEMAS), ...references('down', DOWN_SCHEMAS) },
      },
    },
    operations: {
      receiveFromClient: operation('receive', 'up', UP_SCHEMAS),
      sendToClient: operation('send', 'down', DOWN_SCHEMAS),
    },
    components: { messages: { ...messages('up', UP_SCHEMAS), ...messages('down', DOWN_SCHEMAS) } },
  };
}

function references(direction: string, schemas: Schemas): object {
  return Object.fromEntries(Object.keys(schemas).map((t) => [`${direction}.${t}`, { $ref: `#/components/messages/${direction}.${t}` }]));
}

function messages(direction: string, schemas: Schemas): object {
  return Object.fromEntries(Object.entries(schemas).map(([t, payload]) => [`${direction}.${t}`, { name: t, payload }]));
}

function operation(action: 'send' | 'receive', direction: string, schemas: Schemas): object {
  return {
    action,
    channel: { $ref: '#/channels/live' },
    messages: Object.keys(schemas).map((t) => ({ $ref: `#/channels/live/messages/${direction}.${t}` })),
  };
}
