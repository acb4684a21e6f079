-- compatible-from 1

-- What a commit of sends and positions does, in place of the functions of 0002: a send touches no member row unless it asks for that, a
-- position touches its rows first and looks only where nothing changed, and conversations that are open in an accept log are refused.

-- Sends and positions, as commit_messages of 0002 takes them. `s_ensure` is 1 for a send whose sender must have a member row, which then
-- follows with its read position. What became of each send has two codes more: 4 also for a sender without that row; 6 the accept log
-- gives the numbers. `ensure_ms`, for batches with such sends, is how long their members took; positions of the same batch included.
CREATE FUNCTION commit_batch(
  cids text[],
  s_order int[], s_conv int[], s_cid text[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[], s_ensure int[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[], OUT places bigint[], OUT moved int[], OUT ensure_ms float8
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  heads bigint[];
  head_revs bigint[];
  members_revs bigint[];
  epochs bigint[];
  stale boolean[];
  absent boolean[];
  any_ensured boolean := 1 = ANY (s_ensure);
  any_bad boolean;
  any_saved boolean;
  started timestamptz;
BEGIN
  IF cardinality(cids) > 0 THEN
    SELECT array_agg(t.head), array_agg(t.rev), array_agg(t.members_rev), array_agg(t.accept_epoch)
    INTO heads, head_revs, members_revs, epochs
    FROM (
      SELECT c.head, c.rev, c.members_rev, c.accept_epoch FROM unnest(cids) AS k(cid) JOIN conversation c ON c.cid = k.cid
      ORDER BY c.cid FOR UPDATE OF c
    ) t;

    IF cardinality(cids) IS DISTINCT FROM cardinality(heads) THEN
      -- A conversation is missing: places in these arrays are not places in `cids`.
      any_bad := true;
    ELSE
      -- Statements of their own: one that names participants opens all their partitions, whether it looks at any or not.
      IF EXISTS (SELECT 1 FROM unnest(s_conv, s_rights) AS s(conv, rights) WHERE s.rights <> -1 AND s.rights <> members_revs[s.conv]) THEN
        SELECT array_agg(
          s.rights <> -1 AND s.rights <> members_revs[s.conv] AND NOT EXISTS (
            SELECT 1 FROM participant p WHERE p.cid = s.cid AND p.uid = s.sender AND p.role = coalesce(s.role, p.role)) ORDER BY s.i)
        INTO stale
        FROM unnest(s_conv, s_cid, s_sender, s_rights, s_role) WITH ORDINALITY AS s(conv, cid, sender, rights, role, i);
      END IF;
      IF any_ensured THEN
        started := clock_timestamp();
        SELECT array_agg(
          s.ensure = 1 AND NOT EXISTS (SELECT 1 FROM participant p WHERE p.cid = s.cid AND p.uid = s.sender) ORDER BY s.i)
        INTO absent FROM unnest(s_cid, s_sender, s_ensure) WITH ORDINALITY AS s(cid, sender, ensure, i);
        ensure_ms := ms_since(started);
      END IF;

      WITH judged AS (
        SELECT s.i, s.conv, s.ref, e.seq, e.rev, e.at,
          CASE
            WHEN epochs[s.conv] <> 0 THEN 6
            WHEN stale[s.i] THEN 5
            WHEN absent[s.i] THEN 4
            WHEN e.seq IS NULL THEN 0
            WHEN e.sender = s.sender AND e.digest = s.digest THEN 1
            ELSE 2
          END AS code
        FROM unnest(s_conv, s_cid, s_mid, s_sender, s_digest, s_ref) WITH ORDINALITY AS s(conv, cid, mid, sender, digest, ref, i)
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
      SELECT * INTO codes, seqs, revs, times, places, moved, ensure_ms FROM commit_batch_singly(
        cids, s_order, s_conv, s_cid, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, s_ref, s_rights, s_role, s_ensure,
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
    started := clock_timestamp();
    SELECT a.places, a.moved INTO places, moved FROM advance_positions(
      heads, s_order, s_conv, s_cid, s_sender, s_ensure, seqs, codes, p_order, p_conv, p_cid, p_uid, p_did, p_pos) a;
    ensure_ms := ensure_ms + ms_since(started);
  ELSIF any_ensured AND any_saved THEN
    started := clock_timestamp();
    UPDATE participant p SET last_read = t.seq
    FROM (
      SELECT s.cid, s.sender, max(s.seq) AS seq
      FROM unnest(s_cid, s_sender, s_ensure, seqs, codes) AS s(cid, sender, ensure, seq, code) WHERE s.code = 0 AND s.ensure = 1
      GROUP BY s.cid, s.sender ORDER BY s.cid, s.sender
    ) t
    WHERE p.cid = t.cid AND p.uid = t.sender AND p.last_read < t.seq;
    ensure_ms := ensure_ms + ms_since(started);
  END IF;
END $$;

CREATE FUNCTION ms_since(started timestamptz)
RETURNS float8
LANGUAGE sql VOLATILE
AS $$
  SELECT extract(epoch FROM clock_timestamp() - started)::float8 * 1000
$$;

-- Positions; and, untold, the read positions of senders who were ensured, each at its place between them. Rows are changed first; it is
-- looked whether there is one only where none was changed, and only then a device's row is made.
CREATE FUNCTION advance_positions(
  heads bigint[], s_order int[], s_conv int[], s_cid text[], s_sender text[], s_ensure int[], s_seq bigint[], s_code int[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT places bigint[], OUT moved int[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  -- Of each event, in the order of the batch: 's' an ensured send, 'r' a read, 'd' a delivery. e_user is its place among the users.
  e_op text[]; e_user bigint[]; e_cid text[]; e_uid text[]; e_did text[]; e_pos bigint[];
  -- Of each user, by cid and uid: the farthest of its positions, and where it was before: NULL for no participant.
  u_cid text[]; u_uid text[]; u_read bigint[]; u_delivered bigint[]; u_events bigint[]; was_read bigint[]; was_delivered bigint[];
  own record;
BEGIN
  WITH event AS (
    SELECT s.place, s.conv, s.cid COLLATE "C" AS cid, s.sender COLLATE "C" AS uid, 's' AS op, s.ensure, NULL AS did, s.seq AS pos
    FROM unnest(s_order, s_conv, s_cid, s_sender, s_ensure, s_seq, s_code) AS s(place, conv, cid, sender, ensure, seq, code)
    WHERE s.code = 0
    UNION ALL
    SELECT p.place, p.conv, p.cid, p.uid, CASE WHEN p.did IS NULL THEN 'r' ELSE 'd' END, 1, p.did, p.pos
    FROM unnest(p_order, p_conv, p_cid, p_uid, p_did, p_pos) AS p(place, conv, cid, uid, did, pos)
  ), limited AS (
    -- No position goes beyond the head of its moment.
    SELECT e.*, CASE WHEN e.op = 's' THEN e.pos ELSE least(e.pos, CASE
        WHEN e.conv > 0 THEN heads[e.conv] + count(*) FILTER (WHERE e.op = 's') OVER (PARTITION BY e.conv ORDER BY e.place)
        ELSE (SELECT c.head FROM conversation c WHERE c.cid = e.cid)
      END) END AS place_now
    FROM event e
  ), numbered AS (
    SELECT l.*, dense_rank() OVER (ORDER BY l.cid, l.uid) AS user_place FROM limited l WHERE l.ensure = 1
  )
  SELECT array_agg(n.op ORDER BY n.place), array_agg(n.user_place ORDER BY n.place), array_agg(n.cid ORDER BY n.place),
    array_agg(n.uid ORDER BY n.place), array_agg(n.did ORDER BY n.place), array_agg(n.place_now ORDER BY n.place)
  INTO e_op, e_user, e_cid, e_uid, e_did, e_pos FROM numbered n;
  IF e_op IS NULL THEN RETURN; END IF;

  SELECT array_agg(t.cid ORDER BY t.u), array_agg(t.uid ORDER BY t.u), array_agg(t.read ORDER BY t.u),
    array_agg(t.delivered ORDER BY t.u), array_agg(t.events ORDER BY t.u), array_agg(NULL::bigint)
  INTO u_cid, u_uid, u_read, u_delivered, u_events, was_read
  FROM (
    SELECT e.u, min(e.cid) AS cid, min(e.uid) AS uid, count(*) AS events,
      max(e.pos) FILTER (WHERE e.op <> 'd') AS read, max(e.pos) FILTER (WHERE e.op = 'd') AS delivered
    FROM unnest(e_op, e_user, e_cid, e_uid, e_pos) AS e(op, u, cid, uid, pos) GROUP BY e.u
  ) t;
  was_delivered := was_read;

  FOR own IN
    UPDATE participant p SET last_read = greatest(p.last_read, a.read), delivered = greatest(p.delivered, a.delivered)
    FROM (
      SELECT t.* FROM unnest(u_cid, u_uid, u_read, u_delivered, u_events) WITH ORDINALITY AS t(cid, uid, read, delivered, events, u) ORDER BY t.u
    ) a
    WHERE p.cid = a.cid AND p.uid = a.uid AND (p.last_read < a.read OR p.delivered < a.delivered)
    -- The one position of a user that changed something moved forward, wherever it came from. For several it must be known: a subquery
    -- sees the row as it was.
    RETURNING a.u,
      CASE WHEN a.events = 1 THEN 0 ELSE (SELECT o.last_read FROM participant o WHERE o.cid = p.cid AND o.uid = p.uid) END AS last_read,
      CASE WHEN a.events = 1 THEN 0 ELSE (SELECT o.delivered FROM participant o WHERE o.cid = p.cid AND o.uid = p.uid) END AS delivered
  LOOP
    was_read[own.u] := own.last_read;
    was_delivered[own.u] := own.delivered;
  END LOOP;

  FOR own IN
    SELECT a.u, p.last_read, p.delivered FROM unnest(u_cid, u_uid, was_read) WITH ORDINALITY AS a(cid, uid, was, u)
    CROSS JOIN LATERAL (SELECT p.last_read, p.delivered FROM participant p WHERE p.cid = a.cid AND p.uid = a.uid LIMIT 1) p
    WHERE a.was IS NULL
  LOOP
    was_read[own.u] := own.last_read;
    was_delivered[own.u] := own.delivered;
  END LOOP;

  IF 'd' = ANY (e_op) THEN PERFORM advance_devices(e_op, e_user, e_cid, e_uid, e_did, e_pos, was_read); END IF;

  SELECT
    array_agg(CASE WHEN t.was IS NULL THEN -1 ELSE greatest(t.pos, t.was, t.before) END ORDER BY t.i),
    array_agg((t.pos > greatest(t.was, t.before))::int ORDER BY t.i)
  INTO places, moved
  FROM (
    SELECT e.i, e.op, e.pos, CASE WHEN e.op = 'd' THEN was_delivered[e.u] ELSE was_read[e.u] END AS was,
      max(e.pos) OVER (PARTITION BY e.u, e.op = 'd' ORDER BY e.i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM unnest(e_op, e_user, e_pos) WITH ORDINALITY AS e(op, u, pos, i)
  ) t
  WHERE t.op <> 's';
END $$;

-- The devices of advance_positions, whose arrays these are.
CREATE FUNCTION advance_devices(e_op text[], e_user bigint[], e_cid text[], e_uid text[], e_did text[], e_pos bigint[], was_read bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  -- Of each device. What was changed, or belongs to no participant, is done.
  d_cid text[]; d_uid text[]; d_did text[]; d_pos bigint[]; d_done boolean[];
  own record;
BEGIN
  SELECT array_agg(t.cid ORDER BY t.u, t.did), array_agg(t.uid ORDER BY t.u, t.did), array_agg(t.did ORDER BY t.u, t.did),
    array_agg(t.pos ORDER BY t.u, t.did), array_agg(was_read[t.u] IS NULL ORDER BY t.u, t.did)
  INTO d_cid, d_uid, d_did, d_pos, d_done
  FROM (
    SELECT e.u, e.did COLLATE "C" AS did, min(e.cid) AS cid, min(e.uid) AS uid, max(e.pos) AS pos
    FROM unnest(e_op, e_user, e_cid, e_uid, e_did, e_pos) AS e(op, u, cid, uid, did, pos) WHERE e.op = 'd' GROUP BY 1, 2
  ) t;

  FOR own IN
    UPDATE delivered d SET pos = a.pos
    FROM (SELECT t.* FROM unnest(d_cid, d_uid, d_did, d_pos) WITH ORDINALITY AS t(cid, uid, did, pos, i) ORDER BY t.i) a
    WHERE d.cid = a.cid AND d.uid = a.uid AND d.did = a.did AND d.pos < a.pos
    RETURNING a.i
  LOOP
    d_done[own.i] := true;
  END LOOP;

  IF false = ANY (d_done) THEN
    INSERT INTO delivered AS d (cid, uid, did, pos)
    SELECT a.cid, a.uid, a.did, a.pos FROM unnest(d_cid, d_uid, d_did, d_pos, d_done) WITH ORDINALITY AS a(cid, uid, did, pos, done, i)
    WHERE NOT a.done ORDER BY a.i
    ON CONFLICT (cid, uid, did) DO UPDATE SET pos = excluded.pos WHERE excluded.pos > d.pos;
  END IF;
END $$;

-- The same as commit_batch, one command after the other: for the rare batch in which what becomes of a send rests on what became of the
-- sends before it. Slow, and plain.
CREATE FUNCTION commit_batch_singly(
  cids text[],
  s_order int[], s_conv int[], s_cid text[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[], s_ensure int[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[], OUT places bigint[], OUT moved int[], OUT ensure_ms float8
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  command record;
  done record;
BEGIN
  codes := '{}'; seqs := '{}'; revs := '{}'; times := '{}'; places := '{}'; moved := '{}';
  PERFORM 1 FROM unnest(cids) AS k(cid) JOIN conversation c ON c.cid = k.cid ORDER BY c.cid FOR UPDATE OF c;
  IF cardinality(p_order) > 0 OR 1 = ANY (s_ensure) THEN
    -- Commands come in the order of the batch: nobody else may hold one of these and wait for another.
    PERFORM 1
    FROM (
      SELECT cid, uid FROM unnest(p_cid, p_uid) AS p(cid, uid)
      UNION
      SELECT cid, sender FROM unnest(s_cid, s_sender, s_ensure) AS s(cid, sender, ensure) WHERE ensure = 1
    ) t
    JOIN participant p ON p.cid = t.cid AND p.uid = t.uid
    ORDER BY p.cid, p.uid FOR UPDATE OF p;
  END IF;

  FOR command IN
    SELECT s.place, s.cid, s.mid, s.sender AS uid, NULL AS did, NULL::bigint AS pos, s.at, s.kind, s.body, s.extra, s.digest, s.ref, s.rights,
      s.role, s.ensure = 1 AS ensured
    FROM unnest(s_order, s_cid, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, s_ref, s_rights, s_role, s_ensure)
      AS s(place, cid, mid, sender, at, kind, body, extra, digest, ref, rights, role, ensure)
    UNION ALL
    SELECT p.place, p.cid, NULL, p.uid, p.did, p.pos, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM unnest(p_order, p_cid, p_uid, p_did, p_pos) AS p(place, cid, uid, did, pos)
    ORDER BY 1
  LOOP
    IF command.mid IS NULL THEN
      SELECT * INTO done FROM advance_position(command.cid, command.uid, command.did, command.pos);
      places := places || done.place; moved := moved || done.moved;
    ELSE
      SELECT * INTO done FROM commit_send(command.cid, command.mid, command.uid, command.at, command.kind, command.body, command.extra,
        command.digest, command.ref, command.rights, command.role, command.ensured);
      codes := codes || done.code; seqs := seqs || done.seq; revs := revs || done.rev; times := times || done.first_at;
      IF command.ensured THEN
        ensure_ms := coalesce(ensure_ms, 0) + coalesce(done.ensure_ms, 0) + CASE WHEN done.code = 0
          THEN follow_send(command.cid, command.uid, done.seq) ELSE 0 END;
      END IF;
    END IF;
  END LOOP;
END $$;

-- One of commit_batch_singly, whose conversation is locked.
CREATE FUNCTION advance_position(own_cid text, own_uid text, own_did text, asked bigint, OUT place bigint, OUT moved int)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  now_at bigint := least(asked, (SELECT c.head FROM conversation c WHERE c.cid = own_cid));
BEGIN
  moved := 1;
  IF own_did IS NULL THEN
    UPDATE participant p SET last_read = now_at WHERE p.cid = own_cid AND p.uid = own_uid AND p.last_read < now_at RETURNING p.last_read INTO place;
  ELSE
    UPDATE participant p SET delivered = now_at WHERE p.cid = own_cid AND p.uid = own_uid AND p.delivered < now_at RETURNING p.delivered INTO place;
  END IF;
  IF place IS NULL THEN
    moved := 0;
    SELECT CASE WHEN own_did IS NULL THEN p.last_read ELSE p.delivered END INTO place FROM participant p WHERE p.cid = own_cid AND p.uid = own_uid;
    IF NOT FOUND THEN
      place := -1;
      RETURN;
    END IF;
  END IF;
  IF own_did IS NOT NULL THEN
    INSERT INTO delivered AS d (cid, uid, did, pos) VALUES (own_cid, own_uid, own_did, now_at)
    ON CONFLICT (cid, uid, did) DO UPDATE SET pos = excluded.pos WHERE excluded.pos > d.pos;
  END IF;
END $$;

-- One of commit_batch_singly or commit_sends. The read position of a sender who is ensured is the caller's matter.
CREATE FUNCTION commit_send(
  own_cid text, own_mid text, own_sender text, own_at bigint, own_kind text, own_body text, own_extra text, own_digest text,
  own_ref bigint, own_rights bigint, own_role text, ensured boolean,
  OUT code int, OUT seq bigint, OUT rev bigint, OUT first_at bigint, OUT ensure_ms float8
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  conv record;
  first record;
  is_member boolean;
  started timestamptz;
BEGIN
  SELECT c.head, c.rev, c.members_rev, c.accept_epoch INTO conv FROM conversation c WHERE c.cid = own_cid FOR UPDATE;
  IF NOT FOUND THEN
    code := 4;
    RETURN;
  END IF;
  IF conv.accept_epoch <> 0 THEN
    code := 6;
    RETURN;
  END IF;
  IF own_rights <> -1 AND own_rights <> conv.members_rev THEN
    IF NOT EXISTS (
      SELECT 1 FROM participant p WHERE p.cid = own_cid AND p.uid = own_sender AND p.role = coalesce(own_role, p.role)
    ) THEN
      code := 5;
      RETURN;
    END IF;
  END IF;
  IF ensured THEN
    started := clock_timestamp();
    is_member := EXISTS (SELECT 1 FROM participant p WHERE p.cid = own_cid AND p.uid = own_sender);
    ensure_ms := ms_since(started);
    IF NOT is_member THEN
      code := 4;
      RETURN;
    END IF;
  END IF;
  IF own_ref > conv.head THEN
    code := 3; seq := conv.head + 1;
    RETURN;
  END IF;
  SELECT m.seq, m.rev, m.at, m.sender, m.digest INTO first FROM message m WHERE m.cid = own_cid AND m.mid = own_mid;
  IF FOUND THEN
    code := CASE WHEN first.sender = own_sender AND first.digest = own_digest THEN 1 ELSE 2 END;
    seq := first.seq; rev := first.rev; first_at := first.at;
    RETURN;
  END IF;

  code := 0; seq := conv.head + 1; rev := conv.rev + 1;
  INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, extra, digest)
  VALUES (own_cid, conv.head + 1, conv.rev + 1, own_mid, own_sender, own_at, own_kind, own_body, own_extra, own_digest);
  INSERT INTO log (cid, rev, op, seq, actor, at) VALUES (own_cid, conv.rev + 1, 'message', conv.head + 1, own_sender, own_at);
  UPDATE conversation c SET head = c.head + 1, rev = c.rev + 1, updated_at = greatest(c.updated_at, own_at) WHERE c.cid = own_cid;
END $$;

-- Moves the read position of a sender to the message; gives how long that took.
CREATE FUNCTION follow_send(own_cid text, own_sender text, own_seq bigint)
RETURNS float8
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  started timestamptz := clock_timestamp();
BEGIN
  UPDATE participant p SET last_read = own_seq WHERE p.cid = own_cid AND p.uid = own_sender AND p.last_read < own_seq;
  RETURN ms_since(started);
END $$;

-- The same as commit_batch for a few sends and no positions, which is what an idle server commits: each statement names one
-- conversation, so that Postgres opens one partition for it and not all. `by_cid` are the places of the sends by cid, then in order of the
-- batch; `by_user` those of the ensured ones by cid and sender.
CREATE FUNCTION commit_sends(
  s_cid text[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[], s_ensure int[], by_cid int[], by_user int[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[], OUT ensure_ms float8
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  done record;
  i int;
BEGIN
  FOREACH i IN ARRAY by_cid LOOP
    SELECT * INTO done FROM commit_send(s_cid[i], s_mid[i], s_sender[i], s_at[i], s_kind[i], s_body[i], s_extra[i], s_digest[i],
      s_ref[i], s_rights[i], s_role[i], s_ensure[i] = 1);
    codes[i] := done.code;
    seqs[i] := done.seq;
    revs[i] := done.rev;
    times[i] := done.first_at;
    IF s_ensure[i] = 1 THEN ensure_ms := coalesce(ensure_ms, 0) + coalesce(done.ensure_ms, 0); END IF;
  END LOOP;
  FOREACH i IN ARRAY by_user LOOP
    IF codes[i] = 0 THEN ensure_ms := ensure_ms + follow_send(s_cid[i], s_sender[i], seqs[i]); END IF;
  END LOOP;
END $$;

-- What older nodes call. To them a send moves its sender's read position, and a conversation that is open in an accept log is `stale`.
CREATE OR REPLACE FUNCTION commit_messages(
  cids text[],
  s_order int[], s_conv int[], s_cid text[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[], OUT places bigint[], OUT moved int[]
)
LANGUAGE sql VOLATILE
AS $$
  SELECT array_replace(b.codes, 6, 5), b.seqs, b.revs, b.times, b.places, b.moved FROM commit_batch(
    cids, s_order, s_conv, s_cid, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, s_ref, s_rights, s_role,
    array_fill(1, ARRAY[cardinality(s_conv)]), p_order, p_conv, p_cid, p_uid, p_did, p_pos) b
$$;

CREATE OR REPLACE FUNCTION commit_messages_singly(
  cids text[],
  s_order int[], s_conv int[], s_cid text[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[],
  p_order int[], p_conv int[], p_cid text[], p_uid text[], p_did text[], p_pos bigint[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[], OUT places bigint[], OUT moved int[]
)
LANGUAGE sql VOLATILE
AS $$
  SELECT array_replace(b.codes, 6, 5), b.seqs, b.revs, b.times, b.places, b.moved FROM commit_batch_singly(
    cids, s_order, s_conv, s_cid, s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, s_ref, s_rights, s_role,
    array_fill(1, ARRAY[cardinality(s_conv)]), p_order, p_conv, p_cid, p_uid, p_did, p_pos) b
$$;

CREATE OR REPLACE FUNCTION commit_few(
  cids text[],
  s_conv int[], s_mid text[], s_sender text[], s_at bigint[], s_kind text[], s_body text[], s_extra text[],
  s_digest text[], s_ref bigint[], s_rights bigint[], s_role text[], by_user int[],
  OUT codes int[], OUT seqs bigint[], OUT revs bigint[], OUT times bigint[]
)
LANGUAGE sql VOLATILE
AS $$
  SELECT array_replace(b.codes, 6, 5), b.seqs, b.revs, b.times FROM commit_sends(
    ARRAY(SELECT cids[s.conv] FROM unnest(s_conv) WITH ORDINALITY AS s(conv, i) ORDER BY s.i),
    s_mid, s_sender, s_at, s_kind, s_body, s_extra, s_digest, s_ref, s_rights, s_role,
    array_fill(1, ARRAY[cardinality(s_conv)]),
    ARRAY(SELECT s.i::int FROM unnest(s_conv) WITH ORDINALITY AS s(conv, i) ORDER BY s.conv, s.i), by_user) b
$$;

DROP FUNCTION move_positions;

-- As in 0002, but for a plan that looks for the tokens more than once: then more than `row_limit` of them are deleted.
CREATE OR REPLACE FUNCTION prune_sessions(before bigint, row_limit int)
RETURNS int
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  replaced text[];
  ended text[];
BEGIN
  replaced := ARRAY(SELECT t.hash FROM refresh_token t WHERE t.used_at < before LIMIT row_limit FOR UPDATE SKIP LOCKED);
  DELETE FROM refresh_token r WHERE r.hash = ANY (replaced);
  -- The tokens that an ended session replaced are gone by now: one each is left.
  ended := ARRAY(
    SELECT s.sid FROM session s WHERE least(s.expires_at, coalesce(s.revoked_at, s.expires_at)) < before
    LIMIT row_limit - cardinality(replaced) FOR UPDATE SKIP LOCKED);
  DELETE FROM refresh_token t WHERE t.sid = ANY (ended);
  DELETE FROM session s WHERE s.sid = ANY (ended);
  RETURN cardinality(replaced) + cardinality(ended);
END $$;
