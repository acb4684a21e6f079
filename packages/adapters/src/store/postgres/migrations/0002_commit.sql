-- compatible-from 1

-- What a commit does, in one statement each: a transaction of its own, so that no row stays locked while the network is waited for. Every
-- statement of a function sees what was committed while the ones before it waited for a lock. Order of locks, everywhere: conversations by
-- cid, what makes users and dms, participants by cid and uid.
--
-- The connections of nodes plan for large tables (PLANS in connection.ts).
--
-- A function is never changed: what a newer version needs gets a new name, since older nodes go on calling this one.

-- Sends and positions. The arrays belong together: one of sends, one of positions (of reads where the device is NULL). `s_order` and
-- `p_order` are places in the batch. `cids` are the conversations of the sends, ascending and once each; `s_conv` and `p_conv` are places in
-- it, 0 for a position of another conversation. `s_ref` is the larger of replyTo and threadRoot or 0, `s_rights` membersRev or -1,
-- `s_role` callerRole or NULL.
--
-- What became of each send is its code: 0 saved, 1 first outcome again, 2 mid_conflict, 3 bad_frame (seq is the one it would have had),
-- 4 no conversation, 5 stale. Of each position: where it is now, -1 for no participant, and whether it moved.
--
-- No mid of a conversation may be there twice: such a batch goes to commit_messages_singly.
CREATE FUNCTION commit_messages(
  cids text[],
  s_order int[], s_conv int[], s_cid text[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[], OUT places bigint[], OUT moved int[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  heads bigint[];
  head_revs bigint[];
  members_revs bigint[];
  any_bad boolean;
  any_saved boolean;
BEGIN
  IF cardinality(cids) > 0 THEN
    SELECT array_agg(t.head), array_agg(t.rev), array_agg(t.members_rev) INTO heads, head_revs, members_revs
    FROM (SELECT c.head, c.rev, c.members_rev FROM unnest(cids) AS k(cid) JOIN conversation c ON c.cid = k.cid ORDER BY c.cid FOR UPDATE OF c) t;

    IF cardinality(cids) IS DISTINCT FROM cardinality(heads) THEN
      -- A conversation is missing: places in these arrays are not places in `cids`.
      any_bad := true;
    ELSE
      WITH judged AS (
        SELECT s.i, s.conv, s.ref, e.seq, e.rev, e.at,
          CASE
            WHEN s.rights <> -1 AND s.rights <> members_revs[s.conv]
              AND NOT EXISTS (
                SELECT 1 FROM participant p WHERE p.cid = s.cid AND p.uid = s.sender AND p.role = coalesce(s.role, p.role)) THEN 5
            WHEN e.seq IS NULL THEN 0
            WHEN e.sender = s.sender AND e.digest = s.digest THEN 1
            ELSE 2
          END AS code
        FROM unnest(s_conv, s_cid, s_mid, s_sender, s_digest, s_ref, s_rights, s_role) WITH ORDINALITY
          AS s(conv, cid, mid, sender, digest, ref, rights, role, i)
        LEFT JOIN LATERAL (
          SELECT m.seq, m.rev, m.at, m.sender, m.digest FROM message m WHERE m.cid = s.cid AND m.mid = s.mid LIMIT 1
        ) e ON true
      ), placed AS (
        SELECT j.*, count(*) FILTER (WHERE j.code = 0) OVER (PARTITION BY j.conv ORDER BY j.i) AS nth FROM judged j
      )
      SELECT
        array_agg(p.code ORDER BY p.i),
        array_agg(CASE WHEN p.code = 0 THEN heads[p.conv] + p.nth ELSE p.seq END ORDER BY p.i),
        array_agg(CASE WHEN p.code = 0 THEN head_revs[p.conv] + p.nth ELSE p.rev END ORDER BY p.i),
        array_agg(p.at ORDER BY p.i),
        bool_or(p.code < 3 AND p.ref >= heads[p.conv] + p.nth + (p.code <> 0)::int),
        bool_or(p.code = 0)
      INTO codes, seqs, revs, times, any_bad, any_saved
      FROM placed p;
    END IF;

    IF any_bad THEN
      SELECT * INTO codes, seqs, revs, times, places, moved FROM commit_messages_singly(
        cids, s_order, s_conv, s_cid, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, s_ref, s_rights, s_role,
        p_order, p_conv, p_cid, p_uid, p_did, p_pos);
      RETURN;
    END IF;

    IF any_saved THEN
      INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, extra, digest)
      SELECT s.cid, s.seq, s.rev, s.mid, s.sender, s.at, s.kind, s.body, s.extra, s.digest
      FROM unnest(s_cid, seqs, revs, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, codes)
        AS s(cid, seq, rev, mid, sender, at, kind, body, extra, digest, code)
      WHERE s.code = 0;

      INSERT INTO log (cid, rev, op, seq, actor, at)
      SELECT s.cid, s.rev, 'message', s.seq, s.sender, s.at
      FROM unnest(s_cid, seqs, revs, s_sender, s_at, codes) WITH ORDINALITY AS s(cid, seq, rev, sender, at, code, i)
      WHERE s.code = 0 ORDER BY s.i;

      UPDATE conversation c SET head = t.head, rev = t.rev, updated_at = greatest(c.updated_at, t.at)
      FROM (
        SELECT s.cid, max(s.seq) AS head, max(s.rev) AS rev, max(s.at) AS at
        FROM unnest(s_cid, seqs, revs, s_at, codes) AS s(cid, seq, rev, at, code) WHERE s.code = 0 GROUP BY s.cid
      ) t
      WHERE c.cid = t.cid;
    END IF;
  END IF;

  IF cardinality(p_order) > 0 THEN
    SELECT * INTO places, moved FROM move_positions(heads, s_order, s_conv, s_cid, s_sender, seqs, codes, p_order, p_conv, p_cid, p_uid, p_did, p_pos);
  ELSIF any_saved THEN
    -- A send moves its sender's own read position.
    UPDATE participant p SET last_read = t.seq
    FROM (
      SELECT s.cid, s.sender, max(s.seq) AS seq
      FROM unnest(s_cid, s_sender, seqs, codes) AS s(cid, sender, seq, code) WHERE s.code = 0
      GROUP BY s.cid, s.sender ORDER BY s.cid, s.sender
    ) t
    WHERE p.cid = t.cid AND p.uid = t.sender AND p.last_read < t.seq;
  END IF;
END $$;

-- Positions, and the read positions that the sends before and between them moved.
CREATE FUNCTION move_positions(
  heads bigint[], s_order int[], s_conv int[], s_cid text[], s_sender text[], s_seq bigint[], s_code int[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT places bigint[], OUT moved int[]
)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  PERFORM 1
  FROM (
    SELECT cid, uid FROM unnest(p_cid, p_uid) AS p(cid, uid)
    UNION
    SELECT cid, sender FROM unnest(s_cid, s_sender, s_code) AS s(cid, sender, code) WHERE code = 0
  ) t
  JOIN participant p ON p.cid = t.cid AND p.uid = t.uid
  ORDER BY p.cid, p.uid FOR UPDATE OF p;

  WITH event AS (
    SELECT s.place, s.conv, s.cid COLLATE "C" AS cid, s.sender COLLATE "C" AS uid, 's' AS op, NULL AS did, s.seq AS pos, NULL::bigint AS i
    FROM unnest(s_order, s_conv, s_cid, s_sender, s_seq, s_code) AS s(place, conv, cid, sender, seq, code) WHERE s.code = 0
    UNION ALL
    SELECT p.place, p.conv, p.cid, p.uid, CASE WHEN p.did IS NULL THEN 'r' ELSE 'd' END, p.did, p.pos, p.i
    FROM unnest(p_order, p_conv, p_cid, p_uid, p_did, p_pos) WITH ORDINALITY AS p(place, conv, cid, uid, did, pos, i)
  ), limited AS (
    -- No position goes beyond the head of its moment.
    SELECT e.*, p.last_read, p.delivered,
      CASE WHEN e.op = 's' THEN e.pos ELSE least(e.pos, CASE
        WHEN e.conv > 0 THEN heads[e.conv] + count(*) FILTER (WHERE e.op = 's') OVER (PARTITION BY e.conv ORDER BY e.place)
        ELSE (SELECT c.head FROM conversation c WHERE c.cid = e.cid)
      END) END AS place_now
    FROM event e LEFT JOIN LATERAL (
      SELECT p.last_read, p.delivered FROM participant p WHERE p.cid = e.cid AND p.uid = e.uid LIMIT 1
    ) p ON true
  ), told AS (
    SELECT l.*,
      greatest(l.last_read, max(l.place_now) FILTER (WHERE l.op <> 'd') OVER earlier) AS read_before,
      greatest(l.delivered, max(l.place_now) FILTER (WHERE l.op = 'd') OVER earlier) AS delivered_before
    FROM limited l
    WHERE l.last_read IS NOT NULL OR l.op <> 's'
    WINDOW earlier AS (PARTITION BY l.cid, l.uid ORDER BY l.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  ), users_now AS (
    SELECT t.cid, t.uid, max(t.place_now) FILTER (WHERE t.op <> 'd') AS last_read, max(t.place_now) FILTER (WHERE t.op = 'd') AS delivered
    FROM told t WHERE t.last_read IS NOT NULL GROUP BY t.cid, t.uid
  ), devices AS (
    INSERT INTO delivered AS d (cid, uid, did, pos)
    SELECT t.cid, t.uid, t.did, max(t.place_now) FROM told t WHERE t.op = 'd' AND t.last_read IS NOT NULL
    GROUP BY t.cid, t.uid, t.did ORDER BY t.cid, t.uid, t.did
    ON CONFLICT (cid, uid, did) DO UPDATE SET pos = excluded.pos WHERE excluded.pos > d.pos
  ), written AS (
    UPDATE participant p SET last_read = greatest(p.last_read, n.last_read), delivered = greatest(p.delivered, n.delivered)
    FROM users_now n
    WHERE p.cid = n.cid AND p.uid = n.uid AND (n.last_read > p.last_read OR n.delivered > p.delivered)
  )
  SELECT
    array_agg(CASE
      WHEN t.last_read IS NULL THEN -1
      WHEN t.op = 'r' THEN greatest(t.place_now, t.read_before)
      ELSE greatest(t.place_now, t.delivered_before)
    END ORDER BY t.i),
    array_agg((t.place_now > CASE WHEN t.op = 'r' THEN t.read_before ELSE t.delivered_before END)::int ORDER BY t.i)
  INTO places, moved
  FROM told t WHERE t.op <> 's';
END $$;

-- The same as commit_messages, one command after the other: for the rare batch in which what becomes of a send rests on what became of the
-- sends before it. Slow, and plain.
CREATE FUNCTION commit_messages_singly(
  cids text[],
  s_order int[], s_conv int[], s_cid text[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[], OUT places bigint[], OUT moved int[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  command record;
  conv record;
  first record;
  own record;
  now_at bigint;
BEGIN
  codes := '{}'; seqs := '{}'; revs := '{}'; times := '{}'; places := '{}'; moved := '{}';
  PERFORM 1 FROM unnest(cids) AS k(cid) JOIN conversation c ON c.cid = k.cid ORDER BY c.cid FOR UPDATE OF c;
  PERFORM 1
  FROM (SELECT cid, uid FROM unnest(p_cid, p_uid) AS p(cid, uid) UNION SELECT cid, sender FROM unnest(s_cid, s_sender) AS s(cid, sender)) t
  JOIN participant p ON p.cid = t.cid AND p.uid = t.uid
  ORDER BY p.cid, p.uid FOR UPDATE OF p;

  FOR command IN
    SELECT s.place, true AS is_send, s.cid, s.mid, s.sender AS uid, NULL AS did, NULL::bigint AS pos, s.at, s.kind, s.body, s.extra, s.digest, s.ref, s.rights, s.role
    FROM unnest(s_order, s_cid, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, s_ref, s_rights, s_role)
      AS s(place, cid, mid, sender, at, kind, body, extra, digest, ref, rights, role)
    UNION ALL
    SELECT p.place, false, p.cid, NULL, p.uid, p.did, p.pos, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM unnest(p_order, p_cid, p_uid, p_did, p_pos) AS p(place, cid, uid, did, pos)
    ORDER BY 1
  LOOP
    SELECT c.head, c.rev, c.members_rev INTO conv FROM conversation c WHERE c.cid = command.cid;

    IF NOT command.is_send THEN
      SELECT p.last_read, p.delivered INTO own FROM participant p WHERE p.cid = command.cid AND p.uid = command.uid;
      IF NOT FOUND THEN
        places := places || -1::bigint; moved := moved || 0;
        CONTINUE;
      END IF;
      now_at := least(command.pos, conv.head);
      IF command.did IS NULL THEN
        UPDATE participant p SET last_read = now_at WHERE p.cid = command.cid AND p.uid = command.uid AND p.last_read < now_at;
        places := places || greatest(now_at, own.last_read); moved := moved || (now_at > own.last_read)::int;
      ELSE
        INSERT INTO delivered AS d (cid, uid, did, pos) VALUES (command.cid, command.uid, command.did, now_at)
        ON CONFLICT (cid, uid, did) DO UPDATE SET pos = excluded.pos WHERE excluded.pos > d.pos;
        UPDATE participant p SET delivered = now_at WHERE p.cid = command.cid AND p.uid = command.uid AND p.delivered < now_at;
        places := places || greatest(now_at, own.delivered); moved := moved || (now_at > own.delivered)::int;
      END IF;
      CONTINUE;
    END IF;

    IF conv.head IS NULL THEN
      codes := codes || 4; seqs := seqs || NULL::bigint; revs := revs || NULL::bigint; times := times || NULL::bigint;
    ELSIF command.rights <> -1 AND command.rights <> conv.members_rev
      AND NOT EXISTS (
        SELECT 1 FROM participant p WHERE p.cid = command.cid AND p.uid = command.uid AND p.role = coalesce(command.role, p.role)) THEN
      codes := codes || 5; seqs := seqs || NULL::bigint; revs := revs || NULL::bigint; times := times || NULL::bigint;
    ELSIF command.ref > conv.head THEN
      codes := codes || 3; seqs := seqs || conv.head + 1; revs := revs || NULL::bigint; times := times || NULL::bigint;
    ELSE
      SELECT m.seq, m.rev, m.at, m.sender, m.digest INTO first FROM message m WHERE m.cid = command.cid AND m.mid = command.mid;
      IF FOUND THEN
        codes := codes || CASE WHEN first.sender = command.uid AND first.digest = command.digest THEN 1 ELSE 2 END;
        seqs := seqs || first.seq; revs := revs || first.rev; times := times || first.at;
      ELSE
        INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, extra, digest) VALUES (command.cid, conv.head + 1, conv.rev + 1,
          command.mid, command.uid, command.at, command.kind, command.body, command.extra, command.digest);
        INSERT INTO log (cid, rev, op, seq, actor, at) VALUES (command.cid, conv.rev + 1, 'message', conv.head + 1, command.uid, command.at);
        UPDATE conversation c SET head = c.head + 1, rev = c.rev + 1, updated_at = greatest(c.updated_at, command.at) WHERE c.cid = command.cid;
        UPDATE participant p SET last_read = conv.head + 1 WHERE p.cid = command.cid AND p.uid = command.uid AND p.last_read <= conv.head;
        codes := codes || 0; seqs := seqs || conv.head + 1; revs := revs || conv.rev + 1; times := times || NULL::bigint;
      END IF;
    END IF;
  END LOOP;
END $$;

-- The same as commit_messages for a few sends and no positions, which is what an idle server commits: each statement names one
-- conversation, so that Postgres opens one partition for it and not all. `cids` as there; `by_user` are the places of the sends by cid and
-- sender.
CREATE FUNCTION commit_few(
  cids text[],
  s_conv int[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[], by_user int[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  -- Of each conversation.
  heads bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(cids)]);
  head_revs bigint[] := heads;
  members_revs bigint[] := heads;
  newest bigint[] := heads;
  own_cid text COLLATE "C";
  own_mid text COLLATE "C";
  own_sender text COLLATE "C";
  own_head bigint;
  own_rev bigint;
  own_at bigint;
  own_role text;
  conv record;
  first record;
  k int;
BEGIN
  seqs := array_fill(NULL::bigint, ARRAY[cardinality(s_conv)]);
  revs := seqs; times := seqs; codes := seqs;
  FOR k IN 1 .. cardinality(cids) LOOP
    own_cid := cids[k];
    SELECT c.head, c.rev, c.members_rev INTO conv FROM conversation c WHERE c.cid = own_cid FOR UPDATE;
    heads[k] := conv.head;
    head_revs[k] := conv.rev;
    members_revs[k] := conv.members_rev;
  END LOOP;

  FOR i IN 1 .. cardinality(s_conv) LOOP
    k := s_conv[i];
    own_cid := cids[k];
    own_mid := s_mid[i];
    own_sender := s_sender[i];
    own_role := s_role[i];
    IF heads[k] IS NULL THEN
      codes[i] := 4;
    ELSIF s_rights[i] <> -1 AND s_rights[i] <> members_revs[k] AND NOT EXISTS (
      SELECT 1 FROM participant p WHERE p.cid = own_cid AND p.uid = own_sender AND p.role = coalesce(own_role, p.role)
    ) THEN
      codes[i] := 5;
    ELSIF s_ref[i] > heads[k] THEN
      codes[i] := 3;
      seqs[i] := heads[k] + 1;
    ELSE
      SELECT m.seq, m.rev, m.at, m.sender, m.digest INTO first FROM message m WHERE m.cid = own_cid AND m.mid = own_mid;
      IF FOUND THEN
        codes[i] := CASE WHEN first.sender = own_sender AND first.digest = s_digest[i] THEN 1 ELSE 2 END;
        seqs[i] := first.seq;
        revs[i] := first.rev;
        times[i] := first.at;
      ELSE
        own_head := heads[k] + 1;
        own_rev := head_revs[k] + 1;
        own_at := s_at[i];
        INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, extra, digest)
        VALUES (own_cid, own_head, own_rev, own_mid, own_sender, own_at, s_kind[i], s_body[i], s_extra[i], s_digest[i]);
        INSERT INTO log (cid, rev, op, seq, actor, at) VALUES (own_cid, own_rev, 'message', own_head, own_sender, own_at);
        heads[k] := own_head;
        head_revs[k] := own_rev;
        newest[k] := greatest(newest[k], own_at);
        codes[i] := 0;
        seqs[i] := own_head;
        revs[i] := own_rev;
      END IF;
    END IF;
  END LOOP;

  FOR k IN 1 .. cardinality(cids) LOOP
    CONTINUE WHEN newest[k] IS NULL;
    own_cid := cids[k];
    own_head := heads[k];
    own_rev := head_revs[k];
    own_at := newest[k];
    UPDATE conversation c SET head = own_head, rev = own_rev, updated_at = greatest(c.updated_at, own_at) WHERE c.cid = own_cid;
  END LOOP;

  -- A send moves its sender's own read position.
  FOREACH k IN ARRAY by_user LOOP
    CONTINUE WHEN codes[k] <> 0;
    own_cid := cids[s_conv[k]];
    own_sender := s_sender[k];
    own_head := seqs[k];
    UPDATE participant p SET last_read = own_head WHERE p.cid = own_cid AND p.uid = own_sender AND p.last_read < own_head;
  END LOOP;
END $$;

-- Creations and changes of conversations, one after the other, as a JSON array; gives what became of each as another one:
-- {"code"} of a refusal (with "user" where one is unknown), else "rev" where a log row was written, "users" whom an addition added, and
-- "cid", "created" of a creation.
CREATE FUNCTION commit_changes(commands jsonb, OUT outcomes jsonb)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  command jsonb;
BEGIN
  outcomes := '[]';
  PERFORM 1 FROM conversation c WHERE c.cid = ANY (SELECT x->>'cid' FROM jsonb_array_elements(commands) x) ORDER BY c.cid FOR UPDATE OF c;
  PERFORM 1
  FROM (SELECT DISTINCT x->>'cid' AS cid, x->>'uid' AS uid FROM jsonb_array_elements(commands) x WHERE x->>'op' = 'remove') t
  JOIN participant p ON p.cid = t.cid AND p.uid = t.uid
  ORDER BY p.cid, p.uid FOR UPDATE OF p;
  -- Who makes the same users or dms waits here, not crosswise at their keys. A few locks for all of them: the server has a bounded number.
  PERFORM pg_advisory_xact_lock(4715227, k.lock)
  FROM (
    SELECT (hashtext(u) & 63) AS lock
    FROM jsonb_array_elements(commands) AS t(x), jsonb_array_elements_text(CASE WHEN (x->>'createUsers')::boolean THEN x->'users' END) AS v(u)
    WHERE NOT EXISTS (SELECT 1 FROM users k WHERE k.uid = u)
    UNION
    SELECT hashtext(jsonb_build_array(x->'low', x->'high')::text) & 63 FROM jsonb_array_elements(commands) AS t(x) WHERE x->>'kind' = 'dm'
    ORDER BY lock
  ) k;
  FOR command IN SELECT x FROM jsonb_array_elements(commands) WITH ORDINALITY AS t(x, i) ORDER BY i LOOP
    IF command->>'op' = 'create' THEN
      outcomes := outcomes || jsonb_build_array(create_conversation(command));
    ELSE
      outcomes := outcomes || jsonb_build_array(change_conversation(command));
    END IF;
  END LOOP;
END $$;

-- The user that is not there, NULL when all are or were made.
CREATE FUNCTION ensure_users(command jsonb)
RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF (command->>'createUsers')::boolean THEN
    INSERT INTO users (uid, name, created_at)
    SELECT DISTINCT u COLLATE "C" AS uid, u, (command->>'at')::bigint FROM jsonb_array_elements_text(command->'users') AS t(u)
    WHERE NOT EXISTS (SELECT 1 FROM users k WHERE k.uid = u)
    ORDER BY uid
    ON CONFLICT DO NOTHING;
    RETURN NULL;
  END IF;
  RETURN (
    SELECT u FROM jsonb_array_elements_text(command->'users') WITH ORDINALITY AS t(u, i)
    WHERE NOT EXISTS (SELECT 1 FROM users k WHERE k.uid = u) ORDER BY i LIMIT 1
  );
END $$;

CREATE FUNCTION create_conversation(command jsonb)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  existing text;
  unknown text;
  new_cid text := command->>'cid';
  made_at bigint := (command->>'at')::bigint;
BEGIN
  IF command->>'kind' = 'dm' THEN
    SELECT d.cid INTO existing FROM dm d WHERE d.low = command->>'low' AND d.high = command->>'high';
    IF FOUND THEN RETURN jsonb_build_object('cid', existing, 'created', false); END IF;
  END IF;
  unknown := ensure_users(command);
  IF unknown IS NOT NULL THEN RETURN jsonb_build_object('code', 'unknown_user', 'user', unknown); END IF;
  IF command->>'kind' = 'dm' THEN
    -- Waits for another node that is just making it.
    INSERT INTO dm (low, high, cid) VALUES (command->>'low', command->>'high', new_cid) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      SELECT d.cid INTO existing FROM dm d WHERE d.low = command->>'low' AND d.high = command->>'high';
      RETURN jsonb_build_object('cid', existing, 'created', false);
    END IF;
  END IF;
  INSERT INTO conversation (cid, kind, title, created_at, updated_at, members)
  VALUES (new_cid, command->>'kind', command->>'title', made_at, made_at, jsonb_array_length(command->'users'))
  ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN jsonb_build_object('cid', new_cid, 'created', false); END IF;
  INSERT INTO participant (cid, uid, role, joined_at)
  SELECT new_cid, u, r, made_at
  FROM ROWS FROM (jsonb_array_elements_text(command->'users'), jsonb_array_elements_text(command->'roles')) AS t(u, r);
  INSERT INTO log (cid, rev, op, actor, at, payload) VALUES (new_cid, 0, 'created', command->>'by', made_at, command->>'payload');
  RETURN jsonb_build_object('cid', new_cid, 'created', true, 'rev', 0);
END $$;

CREATE FUNCTION change_conversation(command jsonb)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  conv record;
  unknown text;
  added text[];
  change text;
  detail text := command->>'payload';
  made_at bigint := (command->>'at')::bigint;
BEGIN
  SELECT c.cid, c.rev, c.members_rev, c.title INTO conv FROM conversation c WHERE c.cid = command->>'cid' FOR UPDATE;
  IF NOT FOUND THEN RETURN '{"code": "not_participant"}'; END IF;
  IF (command->>'membersRev')::bigint <> conv.members_rev AND NOT EXISTS (
    SELECT 1 FROM participant p
    WHERE p.cid = conv.cid AND p.uid = command->>'by' AND p.role = coalesce(command->>'callerRole', p.role)
  ) THEN RETURN '{"code": "stale"}'; END IF;

  CASE command->>'op'
  WHEN 'add' THEN
    unknown := ensure_users(command);
    IF unknown IS NOT NULL THEN RETURN jsonb_build_object('code', 'unknown_user', 'user', unknown); END IF;
    WITH given AS (
      SELECT u COLLATE "C" AS uid, min(i) AS i FROM jsonb_array_elements_text(command->'users') WITH ORDINALITY AS t(u, i) GROUP BY 1
    ), inserted AS (
      INSERT INTO participant (cid, uid, role, joined_at)
      SELECT conv.cid, g.uid, command->>'role', made_at FROM given g ORDER BY g.uid
      ON CONFLICT DO NOTHING RETURNING uid
    )
    SELECT array_agg(g.uid ORDER BY g.i) INTO added FROM given g WHERE g.uid IN (SELECT uid FROM inserted);
    IF added IS NULL THEN RETURN '{}'; END IF;
    change := 'participants_added';
    detail := jsonb_build_object('users', added, 'role', command->>'role');
    UPDATE conversation c SET rev = c.rev + 1, members_rev = c.rev + 1, members = c.members + cardinality(added) WHERE c.cid = conv.cid;
  WHEN 'remove' THEN
    DELETE FROM participant p WHERE p.cid = conv.cid AND p.uid = command->>'uid';
    IF NOT FOUND THEN RETURN '{}'; END IF;
    DELETE FROM delivered d WHERE d.cid = conv.cid AND d.uid = command->>'uid';
    change := 'participants_removed';
    UPDATE conversation c SET rev = c.rev + 1, members_rev = c.rev + 1, members = c.members - 1 WHERE c.cid = conv.cid;
  WHEN 'settings' THEN
    IF conv.title IS NOT DISTINCT FROM command->>'title' THEN RETURN '{}'; END IF;
    change := 'settings';
    UPDATE conversation c SET rev = c.rev + 1, title = command->>'title' WHERE c.cid = conv.cid;
  END CASE;

  INSERT INTO log (cid, rev, op, actor, at, payload) VALUES (conv.cid, conv.rev + 1, change, command->>'by', made_at, detail);
  RETURN jsonb_strip_nulls(jsonb_build_object('rev', conv.rev + 1, 'users', added));
END $$;

-- False when a user of this name exists, in any case of letters.
CREATE FUNCTION create_account(new_uid text, new_name text, new_password text, made_at bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  -- Two nodes, each with its own case of the same letters: the second looks when the first is done.
  PERFORM pg_advisory_xact_lock(hashtextextended('account ' || lower(new_uid COLLATE "C"), 0));
  INSERT INTO users (uid, name, created_at, password)
  SELECT new_uid, new_name, made_at, new_password WHERE NOT EXISTS (SELECT 1 FROM users u WHERE lower(u.uid) = lower(new_uid COLLATE "C"))
  ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;

-- The sessions that the new one is too many for: those not seen for longest, now revoked.
CREATE FUNCTION create_session(
  new_sid text, new_uid text, new_label text, made_at bigint, seen_at bigint, ends_at bigint, refresh_hash text, live_max int
)
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  -- Sign-ins of one user count each other.
  PERFORM pg_advisory_xact_lock(hashtextextended('session ' || new_uid, 0));
  INSERT INTO session (sid, uid, label, created_at, last_seen_at, expires_at) VALUES (new_sid, new_uid, new_label, made_at, seen_at, ends_at);
  INSERT INTO refresh_token (hash, sid) VALUES (refresh_hash, new_sid);
  RETURN QUERY
    UPDATE session s SET revoked_at = made_at
    WHERE s.revoked_at IS NULL AND s.sid IN (
      SELECT l.sid FROM session l WHERE l.uid = new_uid AND l.revoked_at IS NULL AND l.expires_at > made_at AND l.sid <> new_sid
      ORDER BY l.last_seen_at DESC, l.sid DESC OFFSET live_max - 1
    )
    RETURNING s.sid;
END $$;

-- The session with this token, and what became of the rotation: 'ok', or 'reused', and then it is revoked. Nothing when it is unknown.
CREATE FUNCTION rotate_session(refresh_hash text, next_hash text, seen_at bigint, ends_at bigint)
RETURNS TABLE (result text, sid text, uid text, label text, created_at bigint, last_seen_at bigint, expires_at bigint)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  own record;
  replaced_at bigint;
BEGIN
  SELECT s.* INTO own FROM session s WHERE s.sid = (SELECT t.sid FROM refresh_token t WHERE t.hash = refresh_hash) FOR UPDATE;
  IF NOT FOUND OR own.revoked_at IS NOT NULL OR own.expires_at <= seen_at THEN RETURN; END IF;
  -- Only now: another node may have replaced it while the session was waited for.
  SELECT t.used_at INTO replaced_at FROM refresh_token t WHERE t.hash = refresh_hash;
  IF NOT FOUND THEN RETURN; END IF;
  IF replaced_at IS NOT NULL THEN
    UPDATE session s SET revoked_at = seen_at WHERE s.sid = own.sid;
    RETURN QUERY SELECT 'reused', own.sid, own.uid, own.label, own.created_at, own.last_seen_at, own.expires_at;
    RETURN;
  END IF;
  UPDATE refresh_token t SET used_at = seen_at WHERE t.hash = refresh_hash;
  INSERT INTO refresh_token (hash, sid) VALUES (next_hash, own.sid);
  UPDATE session s SET expires_at = ends_at, last_seen_at = seen_at WHERE s.sid = own.sid;
  RETURN QUERY SELECT 'ok', own.sid, own.uid, own.label, own.created_at, seen_at, ends_at;
END $$;

-- Deletes what pruning is for, about that many rows; gives how many.
CREATE FUNCTION prune_sessions(before bigint, row_limit int)
RETURNS int
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  tokens int;
  ended text[];
BEGIN
  DELETE FROM refresh_token r WHERE r.hash IN (
    SELECT t.hash FROM refresh_token t WHERE t.used_at < before LIMIT row_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS tokens = ROW_COUNT;
  -- The tokens that an ended session replaced are gone by now: one each is left.
  ended := ARRAY(
    SELECT s.sid FROM session s WHERE least(s.expires_at, coalesce(s.revoked_at, s.expires_at)) < before
    LIMIT row_limit - tokens FOR UPDATE SKIP LOCKED);
  DELETE FROM refresh_token t WHERE t.sid = ANY (ended);
  DELETE FROM session s WHERE s.sid = ANY (ended);
  RETURN tokens + cardinality(ended);
END $$;
