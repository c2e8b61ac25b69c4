DROP VIEW bad_recipients;
DROP VIEW retry_recipients;

CREATE TABLE recipients_new (
  -- One row for each address that ever failed or has a manual decision. It follows from bounces, deliveries, decisions, releases and the policy only.
  recipient TEXT PRIMARY KEY, -- lower case, domain as IDNA A-labels
  domain TEXT NOT NULL, -- empty for a local user
  state TEXT NOT NULL, -- bad; suspect (bad, but it came in a crowd that may be an outage); failing (failures that prove nothing); ok
  decided_by TEXT NOT NULL, -- what the state follows from: failure, policy, delivery, release, time (it was bad, and that is over), manual
  category TEXT NOT NULL, -- of the deciding failure: the last that made it bad while bad, else the last; empty if it never failed
  reason TEXT NOT NULL, -- of the same failure
  first_failure_at TEXT, -- RFC 3339, UTC, milliseconds; NULL if it never failed
  last_failure_at TEXT, -- RFC 3339, UTC, milliseconds; NULL if it never failed
  last_delivery_at TEXT, -- NULL if no delivery was seen
  permanent_count INTEGER NOT NULL, -- failures with disposition permanent
  retry_count INTEGER NOT NULL, -- failures with disposition retry
  bad_since TEXT, -- while bad: the first failure since the last delivery that made it so, or the time of the block
  bad_until TEXT, -- while bad: when that ends by itself; NULL if it does not
  last_bounce_id INTEGER, -- the last failure in bounces; NULL if it never failed
  deciding_bounce_id INTEGER, -- the failure that category and reason are of; NULL if it never failed
  recipient_key INTEGER NOT NULL, -- joins to bounces and deliveries
  seq INTEGER NOT NULL, -- grows with every change of any row: where an export continues
  memory TEXT -- what the policy has counted by category and day, and the state by the logs only, if state is another (JSON)
) WITHOUT ROWID;

INSERT INTO recipients_new
SELECT
  recipient, domain, CASE state WHEN 'retry' THEN 'failing' ELSE state END, decided_by, category, reason,
  first_failure_at, last_failure_at, last_delivery_at, permanent_count, retry_count, bad_since, bad_until,
  last_bounce_id, deciding_bounce_id, recipient_key, seq, memory
FROM recipients
ORDER BY recipient;

DROP TABLE recipients;
ALTER TABLE recipients_new RENAME TO recipients;

CREATE UNIQUE INDEX recipients_by_key ON recipients (recipient_key);
CREATE INDEX recipients_by_seq ON recipients (seq);
CREATE INDEX recipients_by_end ON recipients (bad_until) WHERE bad_until IS NOT NULL;

ALTER TABLE bounces ADD COLUMN transport TEXT /* the part of the MTA that made the attempt: Postfix's daemon, Exim's T=, Sendmail's mailer=; NULL if the log does not name it */;
ALTER TABLE bounces ADD COLUMN router TEXT /* Exim's R=; NULL if the log does not name it */;

CREATE VIEW bad_recipients AS
-- The addresses to stop writing to, each with the deciding reply. One that was blocked by hand and never failed has none.
SELECT
  r.recipient, r.domain, r.category, r.reason, r.decided_by, r.bad_since, r.bad_until, r.first_failure_at,
  r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
  b.smtp_code, b.enhanced_code, b.reply, b.stage, b.relay_host, b.rule, b.provider
FROM recipients r LEFT JOIN bounces b ON b.id = r.deciding_bounce_id
WHERE r.state = 'bad';

CREATE VIEW suspect_recipients AS
-- The addresses that were refused in a crowd that may be an outage. They are not confirmed to be bad.
SELECT
  r.recipient, r.domain, r.category, r.reason, r.decided_by, r.first_failure_at,
  r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
  b.outcome, b.smtp_code, b.enhanced_code, b.reply, b.stage, b.relay_host, b.rule, b.provider
FROM recipients r LEFT JOIN bounces b ON b.id = r.deciding_bounce_id
WHERE r.state = 'suspect';

CREATE VIEW failing_recipients AS
-- The addresses with failures that prove nothing about them.
SELECT
  r.recipient, r.domain, r.category, r.reason, r.decided_by, r.first_failure_at,
  r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
  b.outcome, b.smtp_code, b.enhanced_code, b.reply, b.stage, b.relay_host, b.rule, b.provider
FROM recipients r LEFT JOIN bounces b ON b.id = r.deciding_bounce_id
WHERE r.state = 'failing';

CREATE TABLE unparsed_lines (
  -- Delivery lines that were not parsed, by shape. They usually come from a new version of an MTA.
  mta TEXT NOT NULL, -- whose line it is
  shape TEXT NOT NULL, -- the line without the parts that vary
  count INTEGER NOT NULL, -- how many such lines were read, each counted once
  example TEXT NOT NULL, -- one such line
  last_read_at TEXT NOT NULL, -- when the last of them was read
  PRIMARY KEY (mta, shape)
) WITHOUT ROWID;

INSERT INTO unparsed_lines SELECT mta, shape, count, example, last_read_at FROM unread_lines;
DROP TABLE unread_lines;
