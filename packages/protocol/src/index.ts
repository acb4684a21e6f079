export { canonicalJson } from './canonical.ts';
export { CODECS, type Codec, jsonCodec, msgpackCodec } from './codec.ts';
export { CLOSE, type CloseReason, type CloseRow, ERRORS, type ErrorCode, type ErrorRow, type Reconnect, type Retry } from './codes.ts';
export { DOWN_SCHEMAS, type DownFrame, type DownFrameOf, type DownType } from './down.ts';
export * as http from './http.ts';
export type { ConversationKind, Role } from './http.ts';
export * from './limits.ts';
export { describe, parseUpFrame, type Parsed, type Ref, refOf } from './parse.ts';
export { UP_SCHEMAS, type UpFrame, type UpFrameOf, type UpType } from './up.ts';
