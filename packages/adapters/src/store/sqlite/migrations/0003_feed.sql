-- rev of the newest change of the participants; 0: they are those of the creation.
ALTER TABLE conversation ADD COLUMN members_rev INTEGER NOT NULL DEFAULT 0;

-- One pass over the log, whatever its size.
UPDATE conversation SET members_rev = changed.rev
FROM (SELECT conv, max(rev) AS rev FROM log WHERE op IN ('participants_added', 'participants_removed') GROUP BY conv) AS changed
WHERE changed.conv = conversation.id;

-- Time-limited rights of one worker.
CREATE TABLE lease (
  name       TEXT    NOT NULL PRIMARY KEY,
  holder     TEXT    NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Where a consumer of the log is: id of the last row it is done with.
CREATE TABLE cursor (
  consumer TEXT    NOT NULL,
  part     INTEGER NOT NULL,
  id       INTEGER NOT NULL,
  PRIMARY KEY (consumer, part)
) WITHOUT ROWID;
