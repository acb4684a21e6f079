-- A conversation's integer id keeps the rows of the large tables small; cid is its name outside.
CREATE TABLE conversation (
  id         INTEGER PRIMARY KEY,
  cid        TEXT    NOT NULL UNIQUE,
  kind       TEXT    NOT NULL,
  title      TEXT,
  dm_key     TEXT    UNIQUE,             -- both users of a dm in order: one dm a pair
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,           -- newest activity
  head       INTEGER NOT NULL DEFAULT 0, -- newest seq
  rev        INTEGER NOT NULL DEFAULT 0, -- newest rev
  oldest_rev INTEGER NOT NULL DEFAULT 1, -- oldest rev that log still has
  members    INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE user (
  uid        TEXT    NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  password   TEXT                        -- PHC string; none: no local account
) WITHOUT ROWID;

CREATE INDEX user_any_case ON user (lower(uid));

CREATE TABLE participant (
  conv      INTEGER NOT NULL,
  uid       TEXT    NOT NULL,
  role      TEXT    NOT NULL,
  joined_at INTEGER NOT NULL,
  last_read INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0,  -- maximum over the devices
  PRIMARY KEY (conv, uid)
) WITHOUT ROWID;

CREATE INDEX participant_user ON participant (uid, conv);

CREATE TABLE delivered (
  conv INTEGER NOT NULL,
  uid  TEXT    NOT NULL,
  did  TEXT    NOT NULL,
  pos  INTEGER NOT NULL,
  PRIMARY KEY (conv, uid, did)
) WITHOUT ROWID;

-- Current state of every message.
CREATE TABLE message (
  conv        INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  rev         INTEGER NOT NULL,
  mid         TEXT    NOT NULL,
  sender      TEXT    NOT NULL,
  at          INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  body        TEXT    NOT NULL,
  extra       TEXT,                      -- replyTo, threadRoot, mentions as JSON; none: NULL
  edited_at   INTEGER,
  recalled_at INTEGER,
  digest      TEXT    NOT NULL,          -- of the first payload: what makes a resend a resend
  PRIMARY KEY (conv, seq)
) WITHOUT ROWID;

CREATE UNIQUE INDEX message_mid ON message (conv, mid);

-- Every durable change. id is the order of commits, for the relay; a message's row points to it and holds no body.
CREATE TABLE log (
  id      INTEGER PRIMARY KEY,
  conv    INTEGER NOT NULL,
  rev     INTEGER NOT NULL,
  op      TEXT    NOT NULL,
  seq     INTEGER,
  actor   TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  payload TEXT
);

CREATE UNIQUE INDEX log_rev ON log (conv, rev);

CREATE TABLE session (
  sid        TEXT    NOT NULL PRIMARY KEY,
  uid        TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;

CREATE INDEX session_revoked ON session (revoked_at) WHERE revoked_at IS NOT NULL;

-- Tokens of a session, the replaced ones too: one of those coming back means that it was stolen.
CREATE TABLE refresh_token (
  hash    TEXT    NOT NULL PRIMARY KEY,
  sid     TEXT    NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;

CREATE INDEX refresh_token_session ON refresh_token (sid);

-- One row, written to find out whether writing works.
CREATE TABLE health (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  at   INTEGER NOT NULL,
  room BLOB    NOT NULL                  -- zeros, as many as must have room
);
