-- The tables of a fleet, in PostgreSQL. Every unique key of a large table is or begins
-- with recipient_key, so that they can be distributed by it.

CREATE TABLE bouncetail.fleet_clock (
  -- One row. It numbers the changes of recipients. Who changes it holds it until the
  -- COMMIT, so that numbers become visible in their order.
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq bigint NOT NULL, -- of the last change
  generation bigint NOT NULL DEFAULT 0 -- grows if refusals were deleted or judged again
);

INSERT INTO bouncetail.fleet_clock (seq) VALUES (0);

CREATE TABLE bouncetail.fleet_meta (
  name text PRIMARY KEY, -- schema; hash_key: identifies the key by which addresses are hashed, 0 if they are not; policy: what states follow (JSON); horizon: older failures are not stored, because they were deleted; horizon of TABLE: neither are older rows of it
  value text NOT NULL
);

CREATE TABLE bouncetail.fleet_instances (
  -- Who sends, and how far it is.
  instance text PRIMARY KEY, -- the name in the settings
  number integer GENERATED ALWAYS AS IDENTITY UNIQUE, -- in bounces
  database_id bigint NOT NULL UNIQUE, -- of its SQLite file
  former_ids bigint[] NOT NULL DEFAULT '{}', -- of its SQLite file before fleet adopt
  watermark bigint NOT NULL, -- the number of the last failure that was sent
  watermark_event bytea, -- the event of that failure, to recognise a restored backup
  deliveries_seq bigint NOT NULL, -- the change number up to which deliveries were sent
  rejudged bigint NOT NULL, -- how often its failures had been judged again when all verdicts were sent; -1: to be sent again
  version text NOT NULL, -- of bouncetail
  joined_at timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  behind bigint NOT NULL, -- failures that were still to be sent when it was last seen
  last_line_at timestamptz, -- when one of its logs last grew
  missed bigint NOT NULL DEFAULT 0, -- failures that it has deleted before they were sent
  removed_at timestamptz, -- by fleet remove; NULL if it belongs to the fleet
  gaps bigint NOT NULL, -- parts of its logs that were destroyed before they were read
  failures bigint NOT NULL, -- that no other instance had sent before
  taken_seq bigint NOT NULL DEFAULT 0 -- the change number up to which it has taken over what other hosts decided and forgot
);

CREATE TABLE bouncetail.bounces (
  -- One row for each failed delivery attempt, as in SQLite's table bounces. A line that
  -- two instances have read is one row.
  recipient_key bigint NOT NULL,
  occurred_at timestamptz(3) NOT NULL,
  event_id bytea NOT NULL,
  instance integer NOT NULL, -- that sent it first
  recipient text NOT NULL,
  domain text NOT NULL,
  original_recipient text,
  sender text,
  message_id text,
  queue_id text,
  host text,
  mta text NOT NULL,
  outcome text NOT NULL,
  dsn text,
  smtp_code integer,
  enhanced_code text,
  reply text,
  stage text,
  relay_host text,
  relay_ip text,
  category text NOT NULL,
  reason text NOT NULL,
  scope text NOT NULL,
  disposition text NOT NULL,
  suppress boolean NOT NULL,
  rule text NOT NULL,
  provider text,
  recipient_logged text,
  relay_port integer,
  blocklist text,
  retry_after integer,
  url text,
  transport text,
  router text,
  named_host text, -- the host that the reply names as not found; NULL if there is none
  PRIMARY KEY (recipient_key, occurred_at, event_id)
);

CREATE INDEX bounces_by_time ON bouncetail.bounces (occurred_at);
CREATE INDEX bounces_unclassified ON bouncetail.bounces (occurred_at) WHERE category = 'unclassified';

CREATE TABLE bouncetail.also_read (
  -- Failures that further instances have read in the same log.
  recipient_key bigint NOT NULL,
  occurred_at timestamptz(3) NOT NULL,
  event_id bytea NOT NULL,
  instance integer NOT NULL, -- another one than in bounces
  PRIMARY KEY (recipient_key, occurred_at, event_id, instance)
);

CREATE TABLE bouncetail.pruned_failures (
  -- Failures that were deleted for their age, which are still counted.
  recipient_key bigint PRIMARY KEY,
  permanent_count integer NOT NULL,
  retry_count integer NOT NULL,
  first_failure_at timestamptz(3) NOT NULL
);

CREATE TABLE bouncetail.recipients (
  -- One row for each address that ever failed, as in SQLite's table recipients. It
  -- follows from bounces, the last delivery and the policy alone.
  recipient_key bigint PRIMARY KEY,
  recipient text COLLATE "C" NOT NULL,
  domain text COLLATE "C" NOT NULL,
  state text NOT NULL,
  decided_by text NOT NULL,
  category text NOT NULL,
  reason text NOT NULL,
  first_failure_at timestamptz(3),
  last_failure_at timestamptz(3),
  last_event_id bytea, -- with last_failure_at: the last failure
  last_delivery_at timestamptz(3), -- to any instance
  permanent_count integer NOT NULL,
  retry_count integer NOT NULL,
  bad_since timestamptz(3),
  bad_until timestamptz(3),
  deciding_at timestamptz(3), -- with deciding_event_id: the failure that decided
  deciding_event_id bytea,
  memory text,
  seq bigint NOT NULL, -- of its last change
  left_bad_seq bigint -- of its last change from bad to another state
) WITH (fillfactor = 80);

CREATE INDEX recipients_by_name ON bouncetail.recipients (recipient);
CREATE INDEX recipients_by_domain ON bouncetail.recipients (domain, recipient);
CREATE INDEX recipients_bad ON bouncetail.recipients (domain) WHERE state = 'bad';
CREATE INDEX recipients_by_bad_since ON bouncetail.recipients (bad_since) WHERE state = 'bad';
CREATE INDEX recipients_suspect ON bouncetail.recipients (recipient) WHERE state = 'suspect';
CREATE INDEX recipients_by_end ON bouncetail.recipients (bad_until) WHERE bad_until IS NOT NULL;

CREATE TABLE bouncetail.state_counts (
  -- How many rows of recipients are in each state. Who changes it holds the clock.
  state text COLLATE "C" PRIMARY KEY,
  recipients bigint NOT NULL
);

CREATE TABLE bouncetail.recipient_changes (
  -- One row for each row of recipients, by the number of its last change. With an index on
  -- recipients.seq, each change of an address would write to all indexes of recipients.
  seq bigint NOT NULL,
  recipient_key bigint NOT NULL
);

CREATE INDEX recipient_changes_by_seq ON bouncetail.recipient_changes (seq);

-- The rows of recipients, to be read by seq.
CREATE VIEW bouncetail.changes AS
  SELECT c.seq, r.recipient_key, r.recipient, r.domain, r.state, r.decided_by, r.category, r.reason, r.first_failure_at, r.last_failure_at, r.last_event_id, r.last_delivery_at,
    r.permanent_count, r.retry_count, r.bad_since, r.bad_until, r.deciding_at, r.deciding_event_id, r.memory, r.left_bad_seq
  FROM bouncetail.recipient_changes c
  JOIN bouncetail.recipients r ON r.recipient_key = c.recipient_key AND r.seq = c.seq;

CREATE TABLE bouncetail.refusals (
  -- The failures that by themselves make an address bad, with what they may have in
  -- common with others: crowds are found in them.
  recipient_key bigint NOT NULL,
  occurred_at timestamptz(3) NOT NULL,
  event_id bytea NOT NULL,
  domain text NOT NULL,
  provider text NOT NULL, -- empty if there is none, like the next two
  relay text NOT NULL, -- what the servers of an operator share
  host text NOT NULL, -- another name than domain that could not be found
  lookup boolean NOT NULL, -- the domain was not found in the DNS
  seq bigint NOT NULL, -- a number of the clock that its transaction used
  PRIMARY KEY (recipient_key, occurred_at, event_id)
);

CREATE INDEX refusals_by_time ON bouncetail.refusals (occurred_at);
CREATE INDEX refusals_by_seq ON bouncetail.refusals (seq);
CREATE INDEX refusals_not_found ON bouncetail.refusals (domain) WHERE lookup;

-- The counters and incidents of each host, whose number is instance. The other columns have
-- the names and formats of SQLite. Texts are sorted by their bytes, as there.

CREATE TABLE bouncetail.daily_counts (
  -- Attempts by day and domain of the recipient, as each host counted them. Crowds follow
  -- from sent, which never falls.
  domain text COLLATE "C" NOT NULL,
  day text COLLATE "C" NOT NULL, -- YYYY-MM-DD, UTC
  instance integer NOT NULL,
  sent bigint NOT NULL DEFAULT 0,
  deferred bigint NOT NULL DEFAULT 0,
  bounced bigint NOT NULL DEFAULT 0,
  expired bigint NOT NULL DEFAULT 0,
  sent_slots bytea, -- deliveries by ten minutes; NULL if there were none or it is not known
  PRIMARY KEY (domain, day, instance)
);

CREATE INDEX daily_counts_by_day ON bouncetail.daily_counts (day, instance);

CREATE TABLE bouncetail.daily_totals (
  -- Attempts by day to all domains together.
  instance integer NOT NULL,
  day text COLLATE "C" NOT NULL,
  sent bigint NOT NULL,
  deferred bigint NOT NULL,
  bounced bigint NOT NULL,
  expired bigint NOT NULL,
  PRIMARY KEY (day, instance)
);

CREATE TABLE bouncetail.daily_reasons (
  -- Failures by day and reason.
  instance integer NOT NULL,
  day text COLLATE "C" NOT NULL,
  provider text COLLATE "C" NOT NULL, -- the slug, or other
  category text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  scope text COLLATE "C" NOT NULL,
  failures bigint NOT NULL,
  PRIMARY KEY (day, instance, provider, category, reason, scope)
);

CREATE TABLE bouncetail.provider_windows (
  -- Attempts by provider and time of the log.
  instance integer NOT NULL,
  span integer NOT NULL, -- seconds: 300, 3600 or 86400
  start bigint NOT NULL, -- Unix seconds, a multiple of span
  provider text COLLATE "C" NOT NULL, -- the slug, a large domain of that host, or other
  sent bigint NOT NULL,
  deferred bigint NOT NULL,
  bounced bigint NOT NULL,
  expired bigint NOT NULL,
  tried bigint NOT NULL, -- first attempts that say something about the provider
  refused bigint NOT NULL, -- of these
  PRIMARY KEY (instance, start, span, provider)
);

CREATE INDEX provider_windows_by_time ON bouncetail.provider_windows (start);

CREATE TABLE bouncetail.provider_baselines (
  -- What is usual for a provider at a host: of tried first attempts, refused.
  instance integer NOT NULL,
  provider text COLLATE "C" NOT NULL, -- as in provider_windows
  tried double precision NOT NULL,
  refused double precision NOT NULL,
  updated bigint NOT NULL, -- Unix seconds
  PRIMARY KEY (instance, provider)
);

CREATE TABLE bouncetail.gaps (
  -- Stretches of log that were destroyed before they could be read.
  instance integer NOT NULL,
  id bigint NOT NULL, -- its number at that host, which may be reused when old gaps are deleted there
  noticed_at text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  path text COLLATE "C" NOT NULL,
  bytes bigint NOT NULL, -- -1 if it cannot be known
  why text COLLATE "C" NOT NULL,
  PRIMARY KEY (instance, id, noticed_at)
);

CREATE TABLE bouncetail.unparsed_lines (
  -- Delivery lines that were not parsed, by shape. The shape itself, which may quote an
  -- address, stays at the host.
  instance integer NOT NULL,
  mta text COLLATE "C" NOT NULL,
  shape_hash bytea NOT NULL, -- the same at all hosts
  count bigint NOT NULL,
  last_read_at text COLLATE "C" NOT NULL,
  PRIMARY KEY (instance, mta, shape_hash)
);

CREATE TABLE bouncetail.incidents (
  -- What hit many at once at a host.
  instance integer NOT NULL,
  id bigint NOT NULL, -- its number at that host
  kind text COLLATE "C" NOT NULL,
  scope text COLLATE "C" NOT NULL,
  category text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  enhanced_code text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL, -- the provider, blocklist, domain or source; empty if it is a sender or a reply, see private_subject
  started_at text COLLATE "C" NOT NULL,
  last_at text COLLATE "C" NOT NULL,
  opened_at text COLLATE "C" NOT NULL,
  rang_at text COLLATE "C",
  over_at text COLLATE "C",
  ended_by text COLLATE "C",
  part_of bigint, -- the incident of that host that it belongs to
  backlog integer NOT NULL,
  tried bigint,
  refused bigint,
  baseline double precision,
  p double precision,
  attempts bigint NOT NULL,
  addresses bigint NOT NULL,
  domains bigint NOT NULL,
  private_subject text COLLATE "C", -- the sender of a bad-list, or the reply of an unclassified-surge; NULL if it was not sent
  reply text COLLATE "C", -- the last one; NULL if there is none or it was not sent
  digest bytea NOT NULL, -- of the other columns; empty if the host has deleted it for its age
  PRIMARY KEY (instance, id)
);

CREATE INDEX incidents_by_end ON bouncetail.incidents (last_at);

CREATE TABLE bouncetail.fleet_figures (
  -- What was sent of the tables above.
  instance integer NOT NULL,
  name text NOT NULL, -- of the table
  day text NOT NULL, -- UTC
  mark text NOT NULL, -- another one after every change of that day at the host; empty: to be compared again
  attempts bigint NOT NULL, -- of that day when it was sent
  PRIMARY KEY (instance, name, day)
);

CREATE TABLE bouncetail.daily_traffic (
  -- Deliveries to all domains at all hosts together.
  day text COLLATE "C" PRIMARY KEY, -- YYYY-MM-DD, UTC
  slots bytea -- as in SQLite's daily_traffic; NULL if it is not known
);

CREATE TABLE bouncetail.fleet_days (
  -- What of the deliveries in daily_counts was sent.
  instance integer NOT NULL,
  day text COLLATE "C" NOT NULL,
  digest bytea NOT NULL, -- of the row of SQLite's daily_traffic
  PRIMARY KEY (instance, day)
);

CREATE TABLE bouncetail.crowds (
  -- Addresses that accepted mail and were refused together, as in SQLite's table
  -- crowds. They are found in the refusals and deliveries of all hosts.
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  unit text NOT NULL,
  started_at timestamptz(3) NOT NULL,
  last_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3) NOT NULL,
  addresses integer NOT NULL,
  refused integer NOT NULL,
  attempts integer NOT NULL,
  domains text NOT NULL, -- JSON
  frozen boolean NOT NULL DEFAULT false -- records of its time were deleted: it stays as it is
);

CREATE TABLE bouncetail.decisions (
  -- The last word by hand about an address, of whatever host.
  recipient_key bigint PRIMARY KEY,
  recipient text NOT NULL,
  domain text NOT NULL,
  decision text NOT NULL, -- allow, block; empty if it was withdrawn or its time is over
  note text,
  decided_at timestamptz(3) NOT NULL, -- or withdrawn
  until timestamptz(3), -- when it ends by itself; NULL if it does not
  instance integer NOT NULL, -- where it was decided
  seq bigint NOT NULL -- a number of the clock that its transaction used
);

CREATE INDEX decisions_by_end ON bouncetail.decisions (until) WHERE until IS NOT NULL;
CREATE INDEX decisions_by_seq ON bouncetail.decisions (seq);

CREATE TABLE bouncetail.releases (
  -- Failures that were released or confirmed by hand, as in SQLite's tables releases and
  -- confirms. On each host that has taken it over, a release has another number.
  instance integer NOT NULL, -- where it was done
  confirms boolean NOT NULL, -- false: the failures do not count; true: they make addresses bad although they are in a crowd
  id bigint NOT NULL, -- its number there
  since timestamptz(3) NOT NULL,
  until timestamptz(3) NOT NULL,
  category text NOT NULL, -- empty is any, like the next two
  domain text NOT NULL,
  reason text NOT NULL,
  note text,
  made_at timestamptz(3) NOT NULL,
  withdrawn_at timestamptz(3), -- NULL while it is in force
  seq bigint NOT NULL, -- a number of the clock that its transaction used
  PRIMARY KEY (confirms, made_at, since, until, category, domain, reason)
);

CREATE INDEX releases_by_seq ON bouncetail.releases (seq);

CREATE TABLE bouncetail.forgotten (
  -- Addresses that were forgotten on a host. Failures until then are not stored again.
  recipient_key bigint PRIMARY KEY,
  until timestamptz(3) NOT NULL,
  instance integer NOT NULL, -- where it was forgotten last
  seq bigint NOT NULL -- a number of the clock that its transaction used
);

CREATE INDEX forgotten_by_seq ON bouncetail.forgotten (seq);

-- A sender deletes addresses only by this, which leaves a row.
CREATE FUNCTION bouncetail.forget(keys bigint[], untils timestamptz[], instance integer, seq bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO bouncetail.forgotten AS known (recipient_key, until, instance, seq)
    SELECT key, max(until), $3, $4 FROM unnest(keys, untils) AS new (key, until) GROUP BY key
    ON CONFLICT (recipient_key) DO UPDATE SET (until, instance, seq) = (excluded.until, excluded.instance, excluded.seq) WHERE excluded.until > known.until;
  DELETE FROM bouncetail.bounces b USING unnest(keys, untils) AS new (key, until) WHERE b.recipient_key = new.key AND b.occurred_at <= new.until;
  DELETE FROM bouncetail.also_read a USING unnest(keys, untils) AS new (key, until) WHERE a.recipient_key = new.key AND a.occurred_at <= new.until;
  DELETE FROM bouncetail.refusals r USING unnest(keys, untils) AS new (key, until) WHERE r.recipient_key = new.key AND r.occurred_at <= new.until;
  UPDATE bouncetail.fleet_clock SET generation = generation + 1;
  DELETE FROM bouncetail.decisions d USING unnest(keys, untils) AS new (key, until) WHERE d.recipient_key = new.key AND d.decided_at <= new.until;
  WITH gone AS (DELETE FROM bouncetail.recipients WHERE recipient_key = ANY (keys) RETURNING seq, state),
    changes AS (DELETE FROM bouncetail.recipient_changes c USING gone WHERE c.seq = gone.seq)
    UPDATE bouncetail.state_counts c SET recipients = c.recipients - g.n FROM (SELECT state, count(*) AS n FROM gone GROUP BY state) g WHERE c.state = g.state;
  DELETE FROM bouncetail.pruned_failures WHERE recipient_key = ANY (keys);
$$;

REVOKE ALL ON FUNCTION bouncetail.forget FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bouncetail.forget TO bouncetail_sender;

CREATE TABLE bouncetail.export_cursors (
  -- How far each export --fleet --cursor has handed over the changes of recipients.
  name text PRIMARY KEY,
  seq bigint NOT NULL, -- of the last change that was handed over
  moved_at timestamptz -- NULL before the first export is complete
);

-- A sender reads what states follow from, and no reply. It deletes what follows from
-- failures, and no failure.
GRANT USAGE ON SCHEMA bouncetail TO bouncetail_sender, bouncetail_reader;
GRANT SELECT ON bouncetail.fleet_meta, bouncetail.forgotten, bouncetail.pruned_failures TO bouncetail_sender;
GRANT SELECT, UPDATE ON bouncetail.fleet_clock TO bouncetail_sender;
GRANT SELECT, INSERT, UPDATE ON bouncetail.fleet_instances, bouncetail.recipients, bouncetail.state_counts TO bouncetail_sender;
GRANT SELECT ON bouncetail.changes TO bouncetail_sender;
GRANT SELECT, INSERT, DELETE ON bouncetail.refusals, bouncetail.recipient_changes TO bouncetail_sender;
GRANT SELECT, INSERT, UPDATE ON bouncetail.daily_counts, bouncetail.daily_traffic, bouncetail.fleet_days, bouncetail.decisions, bouncetail.releases TO bouncetail_sender;
GRANT SELECT, INSERT, UPDATE, DELETE ON bouncetail.crowds TO bouncetail_sender;
GRANT SELECT, INSERT, UPDATE ON bouncetail.daily_totals, bouncetail.provider_baselines, bouncetail.unparsed_lines, bouncetail.fleet_figures TO bouncetail_sender;
GRANT SELECT, INSERT, UPDATE, DELETE ON bouncetail.daily_reasons, bouncetail.provider_windows, bouncetail.gaps TO bouncetail_sender;
GRANT INSERT, UPDATE, DELETE ON bouncetail.incidents TO bouncetail_sender;
GRANT SELECT (instance, id, kind, scope, category, reason, enhanced_code, subject, started_at, last_at, opened_at, rang_at, over_at, ended_by, part_of, backlog, tried, refused,
    baseline, p, attempts, addresses, domains, digest)
  ON bouncetail.incidents TO bouncetail_sender;
GRANT SELECT, INSERT ON bouncetail.also_read TO bouncetail_sender;
GRANT INSERT ON bouncetail.bounces TO bouncetail_sender;
GRANT UPDATE (category, reason, scope, disposition, suppress, rule, provider, blocklist, retry_after, url, named_host) ON bouncetail.bounces TO bouncetail_sender;
GRANT SELECT (recipient_key, occurred_at, event_id, instance, recipient, domain, queue_id, host, outcome, smtp_code, stage, category, reason, scope, disposition, suppress, rule,
    provider, relay_host, relay_ip, named_host, enhanced_code, blocklist)
  ON bouncetail.bounces TO bouncetail_sender;
GRANT SELECT ON ALL TABLES IN SCHEMA bouncetail TO bouncetail_reader;
GRANT SELECT, INSERT, UPDATE ON bouncetail.export_cursors TO bouncetail_sender, bouncetail_reader;
