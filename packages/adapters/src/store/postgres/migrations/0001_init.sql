-- compatible-from 1
-- Ids are compared byte by byte, as in every other store: COLLATE "C". Times are epoch milliseconds.
-- What grows with the messages is hash-partitioned by cid into 8 parts. Their number is fixed for the life of a database: consumers of
-- the log keep a cursor for each. Each part costs every commit some 20 µs, whatever its size.

CREATE TABLE conversation (
  cid         text   COLLATE "C" NOT NULL,
  kind        text   NOT NULL,
  title       text,
  created_at  bigint NOT NULL,
  updated_at  bigint NOT NULL,           -- newest activity
  head        bigint NOT NULL DEFAULT 0, -- newest seq
  rev         bigint NOT NULL DEFAULT 0, -- newest rev
  oldest_rev  bigint NOT NULL DEFAULT 1, -- oldest rev that log still has
  members_rev bigint NOT NULL DEFAULT 0, -- rev of the newest change of the participants
  members     bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (cid)
) PARTITION BY HASH (cid);

-- The one dm of two users, low < high.
CREATE TABLE dm (
  low  text COLLATE "C" NOT NULL,
  high text COLLATE "C" NOT NULL,
  cid  text COLLATE "C" NOT NULL,
  PRIMARY KEY (low, high)
);

CREATE TABLE participant (
  cid       text   COLLATE "C" NOT NULL,
  uid       text   COLLATE "C" NOT NULL,
  role      text   NOT NULL,
  joined_at bigint NOT NULL,
  last_read bigint NOT NULL DEFAULT 0,
  delivered bigint NOT NULL DEFAULT 0,   -- maximum over the devices
  PRIMARY KEY (cid, uid)
) PARTITION BY HASH (cid);

CREATE INDEX participant_user ON participant (uid, cid);

CREATE TABLE delivered (
  cid text   COLLATE "C" NOT NULL,
  uid text   COLLATE "C" NOT NULL,
  did text   COLLATE "C" NOT NULL,
  pos bigint NOT NULL,
  PRIMARY KEY (cid, uid, did)
) PARTITION BY HASH (cid);

-- Current state of every message.
CREATE TABLE message (
  cid         text   COLLATE "C" NOT NULL,
  seq         bigint NOT NULL,
  rev         bigint NOT NULL,
  mid         text   COLLATE "C" NOT NULL,
  sender      text   COLLATE "C" NOT NULL,
  at          bigint NOT NULL,
  kind        text   NOT NULL,
  body        text   NOT NULL,           -- JSON as it came; the type json would refuse \u0000
  extra       text,                      -- replyTo, threadRoot, mentions as JSON; none: NULL
  edited_at   bigint,
  recalled_at bigint,
  digest      text   NOT NULL,           -- of the first payload: what makes a resend a resend
  PRIMARY KEY (cid, seq),
  UNIQUE (cid, mid)
) PARTITION BY HASH (cid);

-- Places of log rows. Taken while the conversation's row is locked, so that within a conversation they ascend as the revs do. It must not
-- cache: each connection would hand out a range of its own.
CREATE SEQUENCE log_id;

-- Every durable change. A message's row points to it and holds no body.
CREATE TABLE log (
  cid     text   COLLATE "C" NOT NULL,
  rev     bigint NOT NULL,
  id      bigint NOT NULL DEFAULT nextval('log_id'),
  op      text   NOT NULL,
  seq     bigint,
  actor   text   COLLATE "C" NOT NULL,
  at      bigint NOT NULL,
  payload text,
  PRIMARY KEY (cid, rev)
) PARTITION BY HASH (cid);

CREATE INDEX log_place ON log (id);

-- Rows that are updated all the time keep room on their page, so that no index is touched.
DO $$
BEGIN
  FOR part IN 0..7 LOOP
    EXECUTE format('CREATE TABLE conversation_p%s PARTITION OF conversation FOR VALUES WITH (MODULUS 8, REMAINDER %s) WITH (fillfactor = 70)', part, part);
    EXECUTE format('CREATE TABLE participant_p%s PARTITION OF participant FOR VALUES WITH (MODULUS 8, REMAINDER %s) WITH (fillfactor = 80)', part, part);
    EXECUTE format('CREATE TABLE delivered_p%s PARTITION OF delivered FOR VALUES WITH (MODULUS 8, REMAINDER %s) WITH (fillfactor = 80)', part, part);
    EXECUTE format('CREATE TABLE message_p%s PARTITION OF message FOR VALUES WITH (MODULUS 8, REMAINDER %s)', part, part);
    EXECUTE format('CREATE TABLE log_p%s PARTITION OF log FOR VALUES WITH (MODULUS 8, REMAINDER %s)', part, part);
  END LOOP;
END $$;

CREATE TABLE users (
  uid        text   COLLATE "C" NOT NULL PRIMARY KEY,
  name       text   NOT NULL,
  created_at bigint NOT NULL,
  password   text                        -- PHC string; none: no local account
);

CREATE INDEX users_any_case ON users (lower(uid));

CREATE TABLE session (
  sid          text   COLLATE "C" NOT NULL PRIMARY KEY,
  uid          text   COLLATE "C" NOT NULL,
  label        text   NOT NULL,
  created_at   bigint NOT NULL,
  last_seen_at bigint NOT NULL,
  expires_at   bigint NOT NULL,
  revoked_at   bigint
);

CREATE INDEX session_of_user ON session (uid, last_seen_at) WHERE revoked_at IS NULL;
CREATE INDEX session_revoked ON session (revoked_at) WHERE revoked_at IS NOT NULL;
-- For pruning: when a session ended or will end, and when a token was replaced.
CREATE INDEX session_end ON session (least(expires_at, coalesce(revoked_at, expires_at)));

-- Tokens of a session, the replaced ones too: one of those coming back means that it was stolen.
CREATE TABLE refresh_token (
  hash    text   COLLATE "C" NOT NULL PRIMARY KEY,
  sid     text   COLLATE "C" NOT NULL,
  used_at bigint
);

CREATE INDEX refresh_token_session ON refresh_token (sid);
CREATE INDEX refresh_token_used ON refresh_token (used_at) WHERE used_at IS NOT NULL;

-- One row, written to find out whether writing works.
CREATE TABLE health (
  id int    PRIMARY KEY CHECK (id = 1),
  at bigint NOT NULL
);
