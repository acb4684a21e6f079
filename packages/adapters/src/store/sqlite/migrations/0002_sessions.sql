-- What signed in, and when it was last heard of: a user sees the sign-ins and ends any of them.
ALTER TABLE session ADD COLUMN label        TEXT    NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN last_seen_at INTEGER NOT NULL DEFAULT 0;

UPDATE session SET last_seen_at =
  ifnull((SELECT max(t.used_at) FROM refresh_token t WHERE t.sid = session.sid), created_at);

CREATE INDEX session_user ON session (uid, last_seen_at) WHERE revoked_at IS NULL;

-- For pruning: when a session ended or will end, and when a token was replaced.
CREATE INDEX session_end ON session (min(expires_at, ifnull(revoked_at, expires_at)));
CREATE INDEX refresh_token_used ON refresh_token (used_at) WHERE used_at IS NOT NULL;
