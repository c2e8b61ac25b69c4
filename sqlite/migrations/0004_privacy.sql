CREATE TABLE forgotten (
  -- The addresses that were forgotten. Log lines about them from before are not stored again.
  recipient_key INTEGER PRIMARY KEY, -- a hash of the address: a guess can be checked, but the address cannot be read from it
  until TEXT NOT NULL -- when it was forgotten: only later failures and deliveries are stored
);

CREATE TABLE horizons (
  -- How far back the records reach after old ones were deleted. Older log lines are not stored again.
  kind TEXT PRIMARY KEY, -- bounces: failures and deliveries; successes: the counting of deliveries; daily_counts
  since TEXT NOT NULL -- RFC 3339, UTC, milliseconds; it only grows
) WITHOUT ROWID;

CREATE TABLE pruned_failures (
  -- Counts of the failures of an address that were deleted for their age, so that its row in recipients stays correct.
  recipient_key INTEGER PRIMARY KEY, -- joins to recipients
  permanent_count INTEGER NOT NULL, -- failures that were permanent
  retry_count INTEGER NOT NULL, -- failures that were not
  first_failure_at TEXT NOT NULL -- of the first of them
);

CREATE TABLE unread_lines_new (
  -- Delivery lines that no parser understood, by shape: they announce a new version of an MTA.
  mta TEXT NOT NULL, -- whose line it is
  shape TEXT NOT NULL, -- the line without the parts that vary
  count INTEGER NOT NULL, -- how often it was read
  example TEXT NOT NULL, -- one such line
  last_read_at TEXT NOT NULL, -- when such a line was last read
  PRIMARY KEY (mta, shape)
) WITHOUT ROWID;

INSERT INTO unread_lines_new
SELECT mta, shape, count, example, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
FROM unread_lines;
DROP TABLE unread_lines;
ALTER TABLE unread_lines_new RENAME TO unread_lines;
