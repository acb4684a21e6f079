-- compatible-from 1

-- Who may do something for now, by this server's clock.
CREATE TABLE lease (
  name       text        COLLATE "C" NOT NULL PRIMARY KEY,
  holder     text        COLLATE "C" NOT NULL,
  expires_at timestamptz NOT NULL
);

-- How far each consumer of the log is, in each part.
CREATE TABLE consumer_cursor (
  consumer text   COLLATE "C" NOT NULL,
  part     int    NOT NULL,
  id       bigint NOT NULL,
  PRIMARY KEY (consumer, part)
);

-- One look at what may be read of the log, for feed.ts: the newest id that was handed out, the first transaction id that was not handed
-- out when that id had been, and the oldest transaction that still runs. They are read one after the other, in this order.
CREATE FUNCTION look_at_log(OUT newest_id bigint, OUT next_xid bigint, OUT oldest_running bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  snapshot_end bigint;
BEGIN
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest_id FROM log_id;
  -- age() counts up to the next id to be handed out, in 32 bits. A snapshot's xmax is only behind the newest transaction that ended:
  -- younger ones may be running.
  snapshot_end := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  next_xid := snapshot_end + ((3 + age('3'::xid)::bigint - snapshot_end) & 4294967295);
  oldest_running := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
END $$;
