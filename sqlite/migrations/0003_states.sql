CREATE TABLE recipients_new (
  -- One row for each address that ever failed or was decided on by hand, following from bounces, deliveries, decisions, releases and the policy alone.
  recipient TEXT PRIMARY KEY, -- lower case, domain as IDNA A-labels
  domain TEXT NOT NULL, -- empty for a local user
  state TEXT NOT NULL, -- bad, retry, ok
  decided_by TEXT NOT NULL, -- what the state follows from: failure, policy, delivery, release, time (it was bad, and that is over), manual
  category TEXT NOT NULL, -- of the deciding failure: the last that made it bad while bad, else the last; empty where it never failed
  reason TEXT NOT NULL, -- of the same failure
  first_failure_at TEXT, -- RFC 3339, UTC, milliseconds; NULL where it never failed
  last_failure_at TEXT, -- RFC 3339, UTC, milliseconds; NULL where it never failed
  last_delivery_at TEXT, -- NULL where no delivery was seen
  permanent_count INTEGER NOT NULL, -- failures that were permanent
  retry_count INTEGER NOT NULL, -- failures that were not
  bad_since TEXT, -- while bad: the first failure since the last delivery that made it so, or the day it was blocked
  bad_until TEXT, -- while bad: when that ends by itself; NULL where it does not
  last_bounce_id INTEGER, -- the last failure in bounces; NULL where it never failed
  deciding_bounce_id INTEGER, -- the failure that category and reason are of; NULL where it never failed
  recipient_key INTEGER NOT NULL, -- joins to bounces and deliveries
  seq INTEGER NOT NULL, -- grows with every change of any row: where an export goes on
  memory TEXT -- what the policy has counted by category and day, and what the log alone says where state says otherwise (JSON)
) WITHOUT ROWID;

INSERT INTO recipients_new
SELECT
  recipient, domain, state, CASE state WHEN 'ok' THEN 'delivery' ELSE 'failure' END, category, reason,
  first_failure_at, last_failure_at, last_delivery_at, permanent_count, retry_count, bad_since, NULL,
  last_bounce_id, deciding_bounce_id, recipient_key, seq, NULL
FROM recipients
ORDER BY recipient;

DROP VIEW bad_recipients;
DROP VIEW retry_recipients;
DROP TABLE recipients;
ALTER TABLE recipients_new RENAME TO recipients;

CREATE UNIQUE INDEX recipients_by_key ON recipients (recipient_key);
CREATE INDEX recipients_by_seq ON recipients (seq);
CREATE INDEX recipients_by_end ON recipients (bad_until) WHERE bad_until IS NOT NULL;

CREATE VIEW bad_recipients AS
-- The addresses to stop writing to, each with the reply that decided; no reply where one was blocked by hand and never failed.
SELECT
  r.recipient, r.domain, r.category, r.reason, r.decided_by, r.bad_since, r.bad_until, r.first_failure_at,
  r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
  b.smtp_code, b.enhanced_code, b.reply, b.stage, b.relay_host, b.rule, b.provider
FROM recipients r LEFT JOIN bounces b ON b.id = r.deciding_bounce_id
WHERE r.state = 'bad';

CREATE VIEW retry_recipients AS
-- The addresses whose last attempt failed without proving them bad.
SELECT
  r.recipient, r.domain, r.category, r.reason, r.decided_by, r.first_failure_at,
  r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
  b.outcome, b.smtp_code, b.enhanced_code, b.reply, b.stage, b.relay_host, b.rule, b.provider
FROM recipients r LEFT JOIN bounces b ON b.id = r.deciding_bounce_id
WHERE r.state = 'retry';

CREATE TABLE applied_policy (
  -- The policy that the states in recipients follow.
  id INTEGER PRIMARY KEY CHECK (id = 1), -- there is one
  settings TEXT NOT NULL, -- as in the settings under policy (JSON)
  applied_at TEXT NOT NULL -- when all recipients were last recomputed for it
);

CREATE TABLE decisions (
  -- Manual decisions about addresses. Rows are ended, not deleted.
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- grows
  recipient TEXT NOT NULL, -- lower case, domain as IDNA A-labels
  domain TEXT NOT NULL, -- empty for a local user
  decision TEXT NOT NULL, -- allow: ok whatever the log says; block: bad whatever the log says
  note TEXT, -- why
  decided_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  until TEXT, -- when it ends by itself; NULL if it does not
  ended_at TEXT, -- when it was withdrawn or replaced, or when its time was over; NULL while it is in force
  recipient_key INTEGER NOT NULL -- joins to recipients
);

CREATE INDEX decisions_by_recipient ON decisions (recipient_key);
CREATE UNIQUE INDEX decisions_in_force ON decisions (recipient_key) WHERE ended_at IS NULL;
CREATE INDEX decisions_by_end ON decisions (until) WHERE until IS NOT NULL AND ended_at IS NULL;

CREATE TABLE releases (
  -- Failures that were released by hand after an outage. They stay in bounces and have no effect on states.
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- grows
  since TEXT NOT NULL, -- failures at or after this time
  until TEXT NOT NULL, -- and before this one
  category TEXT, -- of this category only; NULL is any
  domain TEXT, -- of recipients in this domain only; NULL is any
  reason TEXT, -- for this reason only; NULL is any
  note TEXT, -- why
  released_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  withdrawn_at TEXT -- when it was withdrawn; NULL while it is in force
);

CREATE INDEX bounces_by_time ON bounces (occurred_at);
