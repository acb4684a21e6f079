-- Conversations whose numbers an accept log gives: see docs/internals/two-phase.md.

-- The epoch in which it is open (0: the numbers are given here), and up to which seq the accept log may have given numbers. The newest
-- opening, and the epoch that it belongs to, stay when it is closed.
ALTER TABLE conversation ADD COLUMN accept_epoch   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN accept_opening INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN accept_opened  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN reserved       INTEGER NOT NULL DEFAULT 0;

CREATE INDEX conversation_open ON conversation (accept_epoch, cid) WHERE accept_epoch <> 0;

-- One row; none: epoch 0, closed.
CREATE TABLE accept_state (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL,
  state TEXT    NOT NULL
);

-- Nodes that accept.
CREATE TABLE accept_node (
  node       TEXT    NOT NULL PRIMARY KEY,
  epoch      INTEGER NOT NULL,
  handed_in  INTEGER NOT NULL, -- 0 or 1
  live_until INTEGER NOT NULL
) WITHOUT ROWID;

-- What nodes handed in of an epoch that is being settled.
CREATE TABLE accept_rescue (
  epoch INTEGER NOT NULL,
  cid   TEXT    NOT NULL,
  seq   INTEGER NOT NULL,
  rev   INTEGER NOT NULL,
  node  TEXT    NOT NULL,
  send  TEXT    NOT NULL,      -- the command as JSON
  PRIMARY KEY (epoch, cid, seq)
) WITHOUT ROWID;
