CREATE TABLE bounces (
  -- One row for each failed delivery attempt, as it was logged.
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- grows in the order of reading, never reused
  event_id TEXT NOT NULL UNIQUE, -- from the content of the log line: a line read twice is one row
  occurred_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  recipient TEXT NOT NULL, -- lower case, domain as IDNA A-labels
  domain TEXT NOT NULL, -- what follows the last @ of recipient; empty for a local user
  original_recipient TEXT, -- before aliases, as logged; NULL if the log names none
  sender TEXT, -- envelope sender; '' is the null sender <>, NULL is not known
  message_id TEXT, -- without its angle brackets
  queue_id TEXT, -- unique only within host
  host TEXT, -- the host that wrote the line
  mta TEXT NOT NULL, -- the mail server program, such as postfix
  outcome TEXT NOT NULL, -- deferred, bounced, expired: what the MTA did
  dsn TEXT, -- the status that the MTA logged
  smtp_code INTEGER, -- of the reply; NULL if the other server did not reply
  enhanced_code TEXT, -- read from the reply itself (RFC 3463)
  reply TEXT, -- the reply of the other server, or the text of the MTA if there was none
  stage TEXT, -- connect, greeting, EHLO, STARTTLS, AUTH, MAIL FROM, RCPT TO, DATA, end of DATA
  relay_host TEXT, -- name of the other server
  relay_ip TEXT, -- address of the other server
  category TEXT NOT NULL, -- one of the nine categories, or unclassified
  reason TEXT NOT NULL, -- the finer slug under the category
  scope TEXT NOT NULL, -- whose problem it is: recipient, domain, sender, message, network, local
  disposition TEXT NOT NULL, -- retry or permanent, for this message and this recipient
  suppress INTEGER NOT NULL, -- 1 if this failure by itself makes the address bad
  rule TEXT NOT NULL, -- the rule that decided
  provider TEXT, -- the receiving provider, if known
  recipient_logged TEXT, -- the spelling in the log; NULL if it is that of recipient
  relay_port INTEGER, -- NULL if it is not logged
  blocklist TEXT, -- the blocklist that the reply names
  retry_after INTEGER, -- seconds that the reply asks to wait
  url TEXT, -- the page that the reply points to
  recipient_key INTEGER NOT NULL -- a hash of recipient: the number under which it is indexed
);

CREATE INDEX bounces_by_recipient ON bounces (recipient_key);

CREATE TABLE recipients (
  -- One row for each address that ever failed, following from bounces and deliveries alone.
  recipient TEXT PRIMARY KEY, -- lower case, domain as IDNA A-labels
  domain TEXT NOT NULL, -- empty for a local user
  state TEXT NOT NULL, -- bad, retry, ok
  category TEXT NOT NULL, -- of the deciding failure: the last that suppresses while bad, else the last
  reason TEXT NOT NULL, -- of the same failure
  first_failure_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  last_failure_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  last_delivery_at TEXT, -- NULL where no delivery was seen
  permanent_count INTEGER NOT NULL, -- failures that were permanent
  retry_count INTEGER NOT NULL, -- failures that were not
  bad_since TEXT, -- the first suppressing failure since the last delivery, while bad
  last_bounce_id INTEGER NOT NULL, -- the last failure in bounces
  deciding_bounce_id INTEGER NOT NULL, -- the failure that category and reason are of
  recipient_key INTEGER NOT NULL, -- joins to bounces and deliveries
  seq INTEGER NOT NULL -- grows with every change of any row: where an export goes on
) WITHOUT ROWID;

CREATE UNIQUE INDEX recipients_by_key ON recipients (recipient_key);
CREATE INDEX recipients_by_seq ON recipients (seq);

CREATE TABLE deliveries (
  -- The last successful delivery to each address, so that the order in which logs are read does not matter.
  bucket INTEGER PRIMARY KEY, -- the top 13 bits of recipient_key
  entries BLOB NOT NULL -- 16 bytes an address, sorted: recipient_key, then Unix milliseconds of the last delivery times two, odd if the address has failed; big-endian
);

CREATE TABLE successes (
  -- The deliveries that are counted in daily_counts and the lines in unparsed_lines, so that none is counted twice.
  bucket INTEGER PRIMARY KEY, -- eight seconds of the stamps in the log
  ids BLOB NOT NULL -- the last 8 bytes of the id of each line, sorted
);

CREATE TABLE daily_counts (
  -- Attempts by day of the log and domain of the recipient.
  day TEXT NOT NULL, -- YYYY-MM-DD, UTC
  domain TEXT NOT NULL, -- of the recipient
  sent INTEGER NOT NULL DEFAULT 0, -- attempts that succeeded
  deferred INTEGER NOT NULL DEFAULT 0, -- attempts put off
  bounced INTEGER NOT NULL DEFAULT 0, -- attempts given up on
  expired INTEGER NOT NULL DEFAULT 0, -- attempts given up on for their age
  PRIMARY KEY (day, domain)
) WITHOUT ROWID;

CREATE TABLE positions (
  -- How far each stream of log content has been read.
  stream INTEGER PRIMARY KEY, -- the number of the stream
  source TEXT NOT NULL, -- the setting that it belongs to
  path TEXT NOT NULL, -- the name under which it was last seen
  device INTEGER NOT NULL, -- of the file that last held it
  inode INTEGER NOT NULL, -- of the file that last held it; reused by the file system
  offset INTEGER NOT NULL, -- bytes read, decompressed ones in an archive
  head INTEGER NOT NULL, -- hash of the first bytes
  tail INTEGER NOT NULL, -- hash of the bytes before offset
  cursor TEXT NOT NULL, -- the journal's own position
  closed INTEGER NOT NULL, -- 1 if nothing can be added to it
  parser BLOB, -- what the parser remembers between lines
  anchor TEXT NOT NULL, -- a time near the first stamp, for stamps without a year
  updated_at TEXT NOT NULL -- when the stream last grew
);

CREATE TABLE queue_entries (
  -- What was logged about messages that are still in the queue.
  host TEXT NOT NULL, -- the host that wrote the lines
  mta TEXT NOT NULL, -- the mail server program, such as postfix
  queue_id TEXT NOT NULL, -- unique only within host
  seen_at TEXT NOT NULL, -- time of the last line about it
  data BLOB NOT NULL, -- sender, message-id, last deferrals (JSON)
  PRIMARY KEY (host, mta, queue_id)
) WITHOUT ROWID;

CREATE TABLE gaps (
  -- Stretches of log that were destroyed before they could be read.
  id INTEGER PRIMARY KEY, -- grows
  noticed_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  source TEXT NOT NULL, -- the setting that the log belongs to
  path TEXT NOT NULL, -- the name of the file
  bytes INTEGER NOT NULL, -- -1 if it cannot be known
  why TEXT NOT NULL -- what happened
);

CREATE TABLE unread_lines (
  -- Delivery lines that no parser understood, by shape: they announce a new version of an MTA.
  mta TEXT NOT NULL, -- whose line it is
  shape TEXT NOT NULL, -- the line without the parts that vary
  count INTEGER NOT NULL, -- how often it was read
  example TEXT NOT NULL, -- one such line
  PRIMARY KEY (mta, shape)
) WITHOUT ROWID;

CREATE TABLE meta (
  -- The state of the program.
  name TEXT PRIMARY KEY, -- seq: the last change number of recipients; clean: 1 after an orderly stop
  value INTEGER NOT NULL -- its value
) WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('seq', 0), ('clean', 1);

CREATE VIEW bad_recipients AS
-- The addresses to stop writing to, each with the reply that decided.
SELECT
  r.recipient, r.domain, r.category, r.reason, r.bad_since, r.first_failure_at,
  r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
  b.smtp_code, b.enhanced_code, b.reply, b.stage, b.relay_host, b.rule, b.provider
FROM recipients r JOIN bounces b ON b.id = r.deciding_bounce_id
WHERE r.state = 'bad';

CREATE VIEW retry_recipients AS
-- The addresses whose last attempt failed without proving them bad.
SELECT
  r.recipient, r.domain, r.category, r.reason, r.first_failure_at,
  r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
  b.outcome, b.smtp_code, b.enhanced_code, b.reply, b.stage, b.relay_host, b.rule, b.provider
FROM recipients r JOIN bounces b ON b.id = r.deciding_bounce_id
WHERE r.state = 'retry';

CREATE VIEW unclassified_replies AS
-- Replies that no rule matches, most frequent first, by code and text.
SELECT smtp_code, enhanced_code, replace(reply, recipient, '<recipient>') AS shape,
  count(*) AS count, max(reply) AS example
FROM bounces
WHERE category = 'unclassified'
GROUP BY 1, 2, 3
ORDER BY 4 DESC;

CREATE VIEW daily_outcomes AS
-- Attempts by day and domain.
SELECT day, domain, sent, deferred, bounced, expired FROM daily_counts;
