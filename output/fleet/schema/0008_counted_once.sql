ALTER TABLE bouncetail.fleet_clock
  ADD COLUMN crowds_from text COLLATE "C", -- with crowds_to: days whose deliveries are added up in another way since the crowds were found; NULL if there are none
  ADD COLUMN crowds_to text COLLATE "C";

CREATE TABLE bouncetail.fleet_read (
  -- How many failures of a day each host has read.
  instance integer NOT NULL,
  day text COLLATE "C" NOT NULL, -- YYYY-MM-DD, UTC
  failures bigint NOT NULL,
  PRIMARY KEY (instance, day)
);

CREATE TABLE bouncetail.fleet_read_by_both (
  -- How many failures of a day two hosts have read, if there are any. Who adds to it holds
  -- the clock.
  day text COLLATE "C" NOT NULL,
  one integer NOT NULL, -- the lower number of the two hosts
  other integer NOT NULL,
  failures bigint NOT NULL,
  PRIMARY KEY (day, one, other)
);

CREATE TABLE bouncetail.fleet_covered (
  -- The days on which the counters of a host are not added to those of the others, because
  -- another host has read the same logs. It follows from the two tables above and
  -- daily_totals. Who changes it holds the clock.
  day text COLLATE "C" NOT NULL,
  instance integer NOT NULL,
  covered_by integer NOT NULL, -- a host whose counters of that day are added
  PRIMARY KEY (day, instance)
);

-- Of days before the horizon, not all rows are left.
INSERT INTO bouncetail.fleet_read (instance, day, failures)
SELECT instance, to_char(day, 'YYYY-MM-DD'), failures
FROM (
  SELECT instance, (occurred_at AT TIME ZONE 'UTC')::date AS day, count(*) AS failures
  FROM (SELECT instance, occurred_at FROM bouncetail.bounces UNION ALL SELECT instance, occurred_at FROM bouncetail.also_read) AS all_read
  WHERE occurred_at >= coalesce((SELECT value::timestamptz FROM bouncetail.fleet_meta WHERE name = 'horizon'), '-infinity')
  GROUP BY 1, 2) AS days;

INSERT INTO bouncetail.fleet_read_by_both (day, one, other, failures)
SELECT to_char(day, 'YYYY-MM-DD'), one, other, failures
FROM (
  SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, one, other, count(*) AS failures
  FROM (
    SELECT occurred_at, least(a.instance, b.instance) AS one, greatest(a.instance, b.instance) AS other
    FROM bouncetail.also_read a JOIN bouncetail.bounces b USING (recipient_key, occurred_at, event_id)
    UNION ALL
    SELECT occurred_at, a.instance, b.instance
    FROM bouncetail.also_read a JOIN bouncetail.also_read b USING (recipient_key, occurred_at, event_id)
    WHERE a.instance < b.instance) AS pairs
  WHERE occurred_at >= coalesce((SELECT value::timestamptz FROM bouncetail.fleet_meta WHERE name = 'horizon'), '-infinity')
  GROUP BY 1, 2, 3) AS days;

-- A sender deletes addresses only by this, which leaves a row.
CREATE OR REPLACE FUNCTION bouncetail.forget(keys bigint[], untils timestamptz[], instance integer, seq bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO bouncetail.forgotten AS known (recipient_key, until, instance, seq)
    SELECT key, max(until), $3, $4 FROM unnest(keys, untils) AS new (key, until) GROUP BY key
    ON CONFLICT (recipient_key) DO UPDATE SET (until, instance, seq) = (excluded.until, excluded.instance, excluded.seq) WHERE excluded.until > known.until;
  -- What hosts have read of them counts no more, because hosts that send later are not asked.
  WITH gone AS (
      DELETE FROM bouncetail.bounces b USING unnest(keys, untils) AS new (key, until) WHERE b.recipient_key = new.key AND b.occurred_at <= new.until
      RETURNING b.recipient_key, b.occurred_at, b.event_id, b.instance),
    also AS (
      DELETE FROM bouncetail.also_read a USING unnest(keys, untils) AS new (key, until) WHERE a.recipient_key = new.key AND a.occurred_at <= new.until
      RETURNING a.recipient_key, a.occurred_at, a.event_id, a.instance),
    readers AS (
      SELECT *, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM (SELECT * FROM gone UNION ALL SELECT * FROM also) AS both_tables),
    fewer AS (
      UPDATE bouncetail.fleet_read r SET failures = r.failures - g.n
      FROM (SELECT readers.instance, day, count(*) AS n FROM readers GROUP BY 1, 2) g WHERE r.instance = g.instance AND r.day = g.day)
    UPDATE bouncetail.fleet_read_by_both p SET failures = p.failures - g.n
    FROM (
      SELECT x.day, x.instance AS one, y.instance AS other, count(*) AS n
      FROM readers x JOIN readers y USING (recipient_key, occurred_at, event_id) WHERE x.instance < y.instance GROUP BY 1, 2, 3) g
    WHERE p.day = g.day AND p.one = g.one AND p.other = g.other;
  DELETE FROM bouncetail.refusals r USING unnest(keys, untils) AS new (key, until) WHERE r.recipient_key = new.key AND r.occurred_at <= new.until;
  UPDATE bouncetail.fleet_clock SET generation = generation + 1;
  DELETE FROM bouncetail.decisions d USING unnest(keys, untils) AS new (key, until) WHERE d.recipient_key = new.key AND d.decided_at <= new.until;
  WITH gone AS (DELETE FROM bouncetail.recipients WHERE recipient_key = ANY (keys) RETURNING seq, state),
    changes AS (DELETE FROM bouncetail.recipient_changes c USING gone WHERE c.seq = gone.seq)
    UPDATE bouncetail.state_counts c SET recipients = c.recipients - g.n FROM (SELECT state, count(*) AS n FROM gone GROUP BY state) g WHERE c.state = g.state;
  DELETE FROM bouncetail.pruned_failures WHERE recipient_key = ANY (keys);
$$;

GRANT SELECT, INSERT, UPDATE ON bouncetail.fleet_read, bouncetail.fleet_read_by_both TO bouncetail_sender;
GRANT SELECT, INSERT, DELETE ON bouncetail.fleet_covered TO bouncetail_sender;
GRANT SELECT ON bouncetail.fleet_read, bouncetail.fleet_read_by_both, bouncetail.fleet_covered TO bouncetail_reader;
