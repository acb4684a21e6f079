import { lineEnd, type Protocol } from './frame-filter.ts';

/** `MSG subject sid [reply] bytes` and `HMSG subject sid [reply] header-bytes all-bytes`; the payload and a line end follow. */
const MESSAGE = /^H?MSG .* (\d+)\r\n$/i;

/** The text protocol of NATS. What it loses is every kind of message to a subscription, answers to requests too. */
export function natsProtocol(): Protocol {
  return {
    frameEnd(bytes, start) {
      const end = lineEnd(bytes, start);
      if (end === undefined) return undefined;
      const payload = MESSAGE.exec(bytes.toString('latin1', start, end))?.[1];
      if (payload === undefined) return end;
      const last = end + Number(payload) + 2;
      return last <= bytes.length ? last : undefined;
    },
    isMessage: (frame) => /^H?MSG /i.test(frame.toString('latin1', 0, 5)),
  };
}
