import { http } from '@gapless/protocol';

export const JSON_TYPE = 'application/json; charset=utf-8';

const cid = http.Conversation.properties.cid;
const uid = http.Participant.properties.userId;

export const CidParams = { type: 'object', properties: { cid }, required: ['cid'] } as const;
export const ParticipantParams = { type: 'object', properties: { cid, uid }, required: ['cid', 'uid'] } as const;
