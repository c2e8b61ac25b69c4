-- The tables of a fleet, in PostgreSQL. Every unique key of a large table is or begins
-- with recipient_key, so that they can be distributed by it.

CREATE TABLE bouncetail.fleet_clock (
  -- One row. It numbers the changes of recipients. Who changes it holds it until the
  -- COMMIT, so that numbers become visible in their order.
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq bigint NOT NULL -- of the last change
);

INSERT INTO bouncetail.fleet_clock (seq) VALUES (0);

CREATE TABLE bouncetail.fleet_meta (
  name text PRIMARY KEY, -- schema; hash_key: identifies the key by which addresses are hashed, 0 if they are not; policy: what states follow (JSON)
  value text NOT NULL
);

CREATE TABLE bouncetail.fleet_instances (
  -- Who sends, and how far it is.
  instance text PRIMARY KEY, -- the name in the settings
  number integer GENERATED ALWAYS AS IDENTITY UNIQUE, -- in bounces
  database_id bigint NOT NULL UNIQUE, -- of its SQLite file
  watermark bigint NOT NULL, -- the number of the last failure that was sent
  watermark_event bytea, -- the event of that failure, to recognise a restored backup
  deliveries_seq bigint NOT NULL, -- the change number up to which deliveries were sent
  version text NOT NULL, -- of bouncetail
  joined_at timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  behind bigint NOT NULL, -- failures that were still to be sent when it was last seen
  last_line_at timestamptz, -- when one of its logs last grew
  gaps bigint NOT NULL, -- parts of its logs that were destroyed before they were read
  failures bigint NOT NULL -- that no other instance had sent before
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

CREATE INDEX bounces_by_time ON bouncetail.bounces USING brin (occurred_at);

CREATE TABLE bouncetail.recipients (
  -- One row for each address that ever failed, as in SQLite's table recipients. It
  -- follows from bounces, the last delivery and the policy alone.
  recipient_key bigint PRIMARY KEY,
  recipient text NOT NULL,
  domain text NOT NULL,
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

CREATE INDEX recipients_by_seq ON bouncetail.recipients (seq);
CREATE INDEX recipients_by_name ON bouncetail.recipients (recipient);
CREATE INDEX recipients_bad ON bouncetail.recipients (domain) WHERE state = 'bad';
CREATE INDEX recipients_by_end ON bouncetail.recipients (bad_until) WHERE bad_until IS NOT NULL;

-- A sender reads what states follow from, and no reply. It deletes nothing.
GRANT USAGE ON SCHEMA bouncetail TO bouncetail_sender, bouncetail_reader;
GRANT SELECT ON bouncetail.fleet_meta TO bouncetail_sender;
GRANT SELECT, UPDATE ON bouncetail.fleet_clock TO bouncetail_sender;
GRANT SELECT, INSERT, UPDATE ON bouncetail.fleet_instances, bouncetail.recipients TO bouncetail_sender;
GRANT INSERT ON bouncetail.bounces TO bouncetail_sender;
GRANT SELECT (recipient_key, occurred_at, event_id, domain, queue_id, outcome, category, reason, scope, disposition, suppress, provider, relay_host, relay_ip, named_host)
  ON bouncetail.bounces TO bouncetail_sender;
GRANT SELECT ON ALL TABLES IN SCHEMA bouncetail TO bouncetail_reader;
