// Every bound of the wire in one place: name, unit, reason. Configurable ones are the defaults of their setting.

const KiB = 1024;

/** A frame from a client; larger closes 1009. Four times the body leaves room for escapes and envelope. */
export const FRAME_MAX_BYTES = 64 * KiB;

/** A message body as JSON; larger answers `too_large`. Files go by reference, not in the log. */
export const BODY_MAX_BYTES = 16 * KiB;

/** Nesting of a body. Deeper serves no chat and costs stack in every parser downstream. */
export const BODY_MAX_DEPTH = 32;

/** Fragments of one message. The library's default of 16,384 lets 2 MB on the wire pin 36 MB of heap. */
export const FRAGMENTS_MAX = 64;

/** An upgraded socket that has not authenticated by then is closed 4401. */
export const AUTH_TIMEOUT_MS = 5_000;

/** Frames that do not parse within the window before the connection is closed 4400. */
export const BAD_FRAMES_MAX = 3;
export const BAD_FRAMES_WINDOW_MS = 10_000;

/** Frames of one connection per second, and the burst above it: fast typing, receipts and a reconnect's sync. */
export const FRAMES_PER_SEC = 60;
export const FRAMES_BURST = 120;

/** Refused frames within one burst before the connection is closed 4429: a client that ignores `retryAfterMs`. */
export const REFUSED_FRAMES_MAX = 120;

/** Sends of one user, over all devices and HTTP, per second, and the burst above it: outboxes of two devices that were filled offline. */
export const USER_SENDS_PER_SEC = 60;
export const USER_SENDS_BURST = 240;

/** Sends into one conversation: more than anyone can read, and what it may cost those who share its server. */
export const CONVERSATION_SENDS_PER_SEC = 200;
export const CONVERSATION_SENDS_BURST = 1_000;

/** Frames of one address (IPv6: /64) per second: an office of some hundred people behind one address. */
export const ADDRESS_FRAMES_PER_SEC = 1_000;
export const ADDRESS_FRAMES_BURST = 5_000;

/** New connections of one address per second, and at once: that office after its network came back. */
export const ADDRESS_CONNECTS_PER_SEC = 20;
export const ADDRESS_CONNECTS_BURST = 500;

/** New connections that wait for their turn; who comes beyond is answered 503. At some thousand a second this is the patience of a client. */
export const CONNECTS_WAITING_MAX = 20_000;

/** Joins and syncs that read the store at a time; the others wait in their order, so that live traffic keeps its share. */
export const JOINS_AT_ONCE = 32;

/** Conversations of one connection; each costs a subscription of some hundred bytes. */
export const JOINS_MAX = 10_000;

/** Conversations in one `sync`; the frame limit allows no more than about this. */
export const SYNC_MAX = 1_000;

/** Conversations in a `sync` for one token of the frame limit: each costs some reads. */
export const SYNC_PER_TOKEN = 20;

/** Connections of one address (IPv6: /64) that did not authenticate yet, where rate limits are on: an office that reconnects at once. */
export const STRANGERS_PER_ADDRESS_MAX = 1_000;

/** HTTP requests of one user per ten seconds, and at once: a page full of tabs, not a crawler. */
export const REQUESTS_PER_10_SEC = 600;

/** Users that one connection watches the presence of. */
export const WATCH_MAX = 500;

/** Name of a room of the rooms dialect; `private:` and a user id fit. */
export const ROOM_NAME_MAX_CHARS = 128;

/** Rooms that one connection has joined. */
export const ROOMS_JOINED_MAX = 1_000;

/** Frames of one connection of the rooms dialect that wait behind its rate before it is closed 4429. */
export const ROOM_FRAMES_WAITING_MAX = 1_000;

/** Server pings; an idle proxy gives up after 30 to 60 s. */
export const HEARTBEAT_MS = 15_000;

/** Two missed pings and a bit: close 4408. */
export const SILENCE_MAX_MS = 45_000;

/** Typing dies by itself after this; long enough for slow thumbs, short enough not to haunt. */
export const TYPING_TTL_MS = 5_000;

/** A token that expired on a live connection may be replaced for this long. */
export const REAUTH_GRACE_MS = 30_000;

/** Last connection gone to `offline`: a page reload must not flap. */
export const PRESENCE_GRACE_MS = 3_000;

/** Messages in one page of history. */
export const PAGE_MAX = 200;
export const PAGE_DEFAULT = 50;

/** Participants named in one call. */
export const PARTICIPANTS_PER_CALL_MAX = 1_000;

/** Above this many participants, receipts of others are not fanned out: n readers times n listeners. */
export const RECEIPTS_MAX_PARTICIPANTS = 100;

/** Sign-ins of one user at a time: more than anyone has devices. One more ends the one not used for longest, so that a list holds them all. */
export const SESSIONS_MAX = 100;

/** The name that a client gives its device at sign-in. */
export const DEVICE_NAME_MAX_CHARS = 64;

export const ID_MAX_CHARS = 64;
export const KIND_MAX_CHARS = 32;
export const TITLE_MAX_CHARS = 200;
export const MENTIONS_MAX = 50;
export const PASSWORD_MIN_CHARS = 8;
export const PASSWORD_MAX_CHARS = 256;

/** Integers on the wire are exact in every JSON parser up to here. */
export const INTEGER_MAX = Number.MAX_SAFE_INTEGER;
