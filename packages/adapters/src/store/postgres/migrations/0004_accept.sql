-- compatible-from 1

-- Conversations whose numbers an accept log gives: see docs/internals/two-phase.md. Nodes of the versions before know nothing of it. Where
-- one sends to such a conversation, or changes it, it is told `stale`: it looks the participants up again, tries again, and then asks its
-- client to try later. Positions and reads go on there as ever.

-- The epoch in which it is open (0: the numbers are given here), and up to which seq the accept log may have given numbers. The newest
-- opening, and the epoch that it belongs to, stay when it is closed.
ALTER TABLE conversation ADD COLUMN accept_epoch   bigint NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN accept_opening bigint NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN accept_opened  bigint NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN reserved       bigint NOT NULL DEFAULT 0;

CREATE INDEX conversation_open ON conversation (accept_epoch, cid) WHERE accept_epoch <> 0;

-- One row; none: epoch 0, closed.
CREATE TABLE accept_state (
  id    bigint PRIMARY KEY CHECK (id = 1),
  epoch bigint NOT NULL,
  state text   NOT NULL
);

-- Nodes that accept.
CREATE TABLE accept_node (
  node       text   COLLATE "C" NOT NULL PRIMARY KEY,
  epoch      bigint NOT NULL,
  handed_in  bigint NOT NULL,          -- 0 or 1
  live_until bigint NOT NULL           -- by this server's clock
);

-- What nodes handed in of an epoch that is being settled.
CREATE TABLE accept_rescue (
  epoch bigint NOT NULL,
  cid   text   COLLATE "C" NOT NULL,
  seq   bigint NOT NULL,
  rev   bigint NOT NULL,
  node  text   COLLATE "C" NOT NULL,
  send  text   NOT NULL,               -- the command as JSON
  PRIMARY KEY (epoch, cid, seq)
);

CREATE FUNCTION now_ms()
RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- Whether it was that before.
CREATE FUNCTION move_accept_state(from_epoch bigint, from_state text, to_epoch bigint, to_state text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  INSERT INTO accept_state VALUES (1, 0, 'closed') ON CONFLICT DO NOTHING;
  UPDATE accept_state s SET epoch = to_epoch, state = to_state WHERE s.epoch = from_epoch AND s.state = from_state;
  RETURN FOUND;
END $$;

-- Whether the node is in. Who moves the state waits for it: once it is moved, every node that was told so can be seen.
CREATE FUNCTION seen_accepting(own_node text, own_epoch bigint, has_handed_in bigint, lease_ms bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  PERFORM 1 FROM accept_state s
  WHERE s.epoch = own_epoch AND (s.state = 'open' OR (s.state = 'settling' AND has_handed_in = 1)) FOR SHARE;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO accept_node AS n (node, epoch, handed_in, live_until) VALUES (own_node, own_epoch, has_handed_in, now_ms() + lease_ms)
  ON CONFLICT (node) DO UPDATE SET epoch = excluded.epoch, live_until = excluded.live_until,
    handed_in = greatest(excluded.handed_in, CASE WHEN n.epoch = excluded.epoch THEN n.handed_in END);
  RETURN true;
END $$;

-- Saves of several conversations at once. The arrays belong together; `cids` and `s_conv` as for sends. Gives what each conversation of
-- `cids` had reserved before. NULL: not every save is the next number of its conversation and a new message; then nothing was done, and the
-- batch goes to commit_accept. No mid of a conversation may be there twice.
CREATE FUNCTION commit_saves(
  cids text[],
  s_conv int[], s_cid text[], s_epoch bigint[], s_seq bigint[], s_rev bigint[], s_window bigint[],
  s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[], s_digest text[],
  OUT reserved_before bigint[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  heads bigint[];
  head_revs bigint[];
  epochs bigint[];
  reserves bigint[];
  all_plain boolean;
BEGIN
  SELECT array_agg(t.head), array_agg(t.rev), array_agg(t.accept_epoch), array_agg(t.reserved) INTO heads, head_revs, epochs, reserves
  FROM (
    SELECT c.head, c.rev, c.accept_epoch, c.reserved FROM unnest(cids) AS k(cid) JOIN conversation c ON c.cid = k.cid
    ORDER BY c.cid FOR UPDATE OF c
  ) t;
  IF cardinality(cids) IS DISTINCT FROM cardinality(heads) THEN RETURN; END IF;

  SELECT bool_and(s.epoch <> 0 AND s.epoch = epochs[s.conv] AND s.seq = heads[s.conv] + s.nth AND s.rev = head_revs[s.conv] + s.nth
    AND NOT EXISTS (SELECT 1 FROM message m WHERE m.cid = s.cid AND m.mid = s.mid))
  INTO all_plain
  FROM (
    SELECT t.*, row_number() OVER (PARTITION BY t.conv ORDER BY t.i) AS nth
    FROM unnest(s_conv, s_cid, s_epoch, s_seq, s_rev, s_mid) WITH ORDINALITY AS t(conv, cid, epoch, seq, rev, mid, i)
  ) s;
  IF NOT all_plain THEN RETURN; END IF;

  INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, extra, digest)
  SELECT * FROM unnest(s_cid, s_seq, s_rev, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest);

  INSERT INTO log (cid, rev, op, seq, actor, at)
  SELECT s.cid, s.rev, 'message', s.seq, s.sender, s.at
  FROM unnest(s_cid, s_seq, s_rev, s_sender, s_at) WITH ORDINALITY AS s(cid, seq, rev, sender, at, i) ORDER BY s.i;

  UPDATE conversation c
  SET head = t.head, rev = t.rev, updated_at = greatest(c.updated_at, t.at), reserved = greatest(c.reserved, t.reserved)
  FROM (
    SELECT s.cid, max(s.seq) AS head, max(s.rev) AS rev, max(s.at) AS at, max(s.seq + s.ahead) AS reserved
    FROM unnest(s_cid, s_seq, s_rev, s_at, s_window) AS s(cid, seq, rev, at, ahead) GROUP BY s.cid
  ) t
  WHERE c.cid = t.cid;
  reserved_before := reserves;
END $$;

-- Openings, saves, closings and settlements, one after the other, as a JSON array; gives what became of each as another one: see accept.ts.
CREATE FUNCTION commit_accept(commands jsonb, OUT outcomes jsonb)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  command jsonb;
  conv conversation;
  outcome jsonb;
  open_epoch bigint;
BEGIN
  outcomes := '[]';
  -- Who moves the state waits for who opens: once it is moved, all that is open can be seen.
  IF commands @? '$[*] ? (@.op == "open")' THEN
    SELECT s.epoch INTO open_epoch FROM accept_state s WHERE s.state = 'open' FOR SHARE;
  END IF;
  PERFORM 1 FROM conversation c WHERE c.cid = ANY (SELECT x->>'cid' FROM jsonb_array_elements(commands) x) ORDER BY c.cid FOR UPDATE OF c;
  FOR command IN SELECT x FROM jsonb_array_elements(commands) WITH ORDINALITY AS t(x, i) ORDER BY i LOOP
    SELECT c.* INTO conv FROM conversation c WHERE c.cid = command->>'cid';
    IF NOT FOUND THEN
      outcome := '{"code": "not_participant"}';
    ELSE
      CASE command->>'op'
        WHEN 'open' THEN outcome := open_accepting(command, conv, open_epoch);
        WHEN 'save' THEN outcome := save_accepted(command, conv);
        WHEN 'close' THEN outcome := close_accepting(command, conv);
        WHEN 'settle' THEN outcome := settle_accepted(command, conv);
      END CASE;
    END IF;
    outcomes := outcomes || jsonb_build_array(outcome);
  END LOOP;
END $$;

-- Whether the conversation is open in the epoch that the command names, and by its opening where it names one.
CREATE FUNCTION is_open_for(command jsonb, conv conversation)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
  SELECT conv.accept_epoch <> 0 AND conv.accept_epoch = (command->>'epoch')::bigint
    AND conv.accept_opening = coalesce((command->>'opening')::bigint, conv.accept_opening)
$$;

CREATE FUNCTION open_accepting(command jsonb, conv conversation, open_epoch bigint)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  own_opening bigint := (command->>'opening')::bigint;
  before bigint := CASE WHEN conv.accept_epoch = 0 THEN 0 ELSE conv.accept_opening END;
  now_reserved bigint := greatest(conv.reserved, conv.head + (command->>'window')::bigint);
BEGIN
  IF open_epoch IS DISTINCT FROM (command->>'epoch')::bigint OR conv.accept_epoch NOT IN (0, open_epoch)
    OR (conv.accept_opened = open_epoch AND own_opening < conv.accept_opening) THEN
    RETURN '{"code": "over"}';
  END IF;
  UPDATE conversation c
  SET accept_epoch = open_epoch, accept_opening = own_opening, accept_opened = open_epoch, reserved = now_reserved WHERE c.cid = conv.cid;
  RETURN jsonb_build_object(
    'before', before, 'head', conv.head, 'rev', conv.rev, 'membersRev', conv.members_rev, 'reserved', now_reserved);
END $$;

CREATE FUNCTION save_accepted(command jsonb, conv conversation)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  send jsonb := command->'send';
  own_seq bigint := (command->>'seq')::bigint;
  own_rev bigint := (command->>'rev')::bigint;
  there bigint;
  now_reserved bigint;
BEGIN
  SELECT m.seq INTO there FROM message m WHERE m.cid = conv.cid AND m.mid = send->>'mid';
  IF there = own_seq THEN RETURN jsonb_build_object('dup', true, 'reserved', conv.reserved); END IF;
  IF NOT is_open_for(command, conv) THEN RETURN '{"code": "over"}'; END IF;
  IF own_seq <= conv.head THEN
    RETURN CASE WHEN there IS NULL THEN '{"code": "over"}' ELSE '{"code": "twice"}' END::jsonb;
  END IF;
  IF own_seq > conv.head + 1 THEN RETURN '{"code": "ahead"}'; END IF;
  IF own_rev <> conv.rev + 1 THEN RETURN '{"code": "over"}'; END IF;

  now_reserved := greatest(conv.reserved, own_seq + (command->>'window')::bigint);
  PERFORM append_message(conv.cid, own_seq, own_rev, (send->>'at')::bigint, CASE WHEN there IS NULL THEN send END);
  UPDATE conversation c
  SET head = own_seq, rev = own_rev, updated_at = greatest(c.updated_at, (send->>'at')::bigint), reserved = now_reserved
  WHERE c.cid = conv.cid;
  IF there IS NOT NULL THEN RETURN '{"code": "twice", "kept": true}'; END IF;
  RETURN jsonb_build_object('dup', false, 'reserved', now_reserved);
END $$;

CREATE FUNCTION close_accepting(command jsonb, conv conversation)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF NOT is_open_for(command, conv) THEN RETURN '{"code": "over"}'; END IF;
  IF (command->>'head')::bigint <> conv.head THEN RETURN '{"code": "ahead"}'; END IF;
  UPDATE conversation c SET accept_epoch = 0, reserved = 0 WHERE c.cid = conv.cid;
  RETURN '{}';
END $$;

-- `messages` of the command are sends by their seqs. Gives the head and the rev before, up to where it went, and which numbers are lost.
-- Nothing: not open.
CREATE FUNCTION settle_accepted(command jsonb, conv conversation)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  send jsonb;
  own_at bigint := (command->>'at')::bigint;
  newest bigint := 0;
  last_seq bigint := greatest(
    conv.head,
    CASE WHEN command->>'upTo' = 'reserved' THEN conv.reserved ELSE (command->>'upTo')::bigint END,
    (SELECT max(k.seq::bigint) FROM jsonb_object_keys(command->'messages') AS k(seq)));
  last_rev bigint := conv.rev + last_seq - conv.head;
  lost bigint[] := '{}';
BEGIN
  IF NOT is_open_for(command, conv) THEN RETURN '{}'; END IF;
  FOR own_seq IN conv.head + 1 .. last_seq LOOP
    send := command->'messages'->(own_seq::text);
    IF EXISTS (SELECT 1 FROM message m WHERE m.cid = conv.cid AND m.mid = send->>'mid') THEN send := NULL; END IF;
    PERFORM append_message(conv.cid, own_seq, conv.rev + own_seq - conv.head, own_at, send);
    IF send IS NULL THEN lost := lost || own_seq; END IF;
    newest := greatest(newest, coalesce((send->>'at')::bigint, own_at));
  END LOOP;
  IF cardinality(lost) > 0 THEN
    last_rev := last_rev + 1;
    INSERT INTO log (cid, rev, op, actor, at, payload)
    VALUES (conv.cid, last_rev, 'lost', 'system', own_at, jsonb_build_object('seqs', lost)::text);
  END IF;
  UPDATE conversation c
  SET head = last_seq, rev = last_rev, updated_at = greatest(c.updated_at, newest), accept_epoch = 0, reserved = 0 WHERE c.cid = conv.cid;
  RETURN jsonb_build_object('head', conv.head, 'rev', conv.rev, 'upTo', last_seq, 'lost', lost);
END $$;

-- The message at this place with its log row; where there is none, what stands for a lost one: as `lostMessage` in entries.ts.
CREATE FUNCTION append_message(own_cid text, own_seq bigint, own_rev bigint, lost_at bigint, send jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF send IS NULL THEN
    INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, recalled_at, digest)
    VALUES (own_cid, own_seq, own_rev, 'lost:' || own_seq, 'system', lost_at, 'lost', '{}', lost_at, 'lost');
  ELSE
    INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, extra, digest)
    VALUES (own_cid, own_seq, own_rev, send->>'mid', send->>'from', (send->>'at')::bigint, send->>'kind', send->>'body', send->>'extra',
      send->>'digest');
  END IF;
  INSERT INTO log (cid, rev, op, seq, actor, at)
  VALUES (own_cid, own_rev, 'message', own_seq, coalesce(send->>'from', 'system'), coalesce((send->>'at')::bigint, lost_at));
END $$;

-- commit_changes goes this way, of older nodes too: `stale` is what they know.
ALTER FUNCTION change_conversation RENAME TO change_closed_conversation;

CREATE FUNCTION change_conversation(command jsonb)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM conversation c WHERE c.cid = command->>'cid' AND c.accept_epoch <> 0) THEN
    RETURN '{"code": "stale", "accepting": true}';
  END IF;
  RETURN change_closed_conversation(command);
END $$;
