CREATE TABLE forgotten (
  -- The addresses that were forgotten: what a log says of them before that is not taken in again.
  recipient_key INTEGER PRIMARY KEY, -- a hash of the address; who guesses the address can check the guess, and nobody can read it
  until TEXT NOT NULL -- the time of the forgetting: only what happened later is kept
);

CREATE TABLE horizons (
  -- How far back the records reach since they are deleted by age: what a log says of before is not taken in again.
  kind TEXT PRIMARY KEY, -- bounces: failures and deliveries; successes: the counting of deliveries; daily_counts
  since TEXT NOT NULL -- RFC 3339, UTC, milliseconds; it only grows
) WITHOUT ROWID;

CREATE TABLE pruned_failures (
  -- What is left of the failures of an address that were deleted for their age, so that its row in recipients stays true.
  recipient_key INTEGER PRIMARY KEY, -- joins to recipients
  permanent_count INTEGER NOT NULL, -- failures that were permanent
  retry_count INTEGER NOT NULL, -- failures that were not
  first_failure_at TEXT NOT NULL -- of the first of them
);

CREATE TABLE unread_lines_new (
  -- Delivery lines that no parser understood, by shape: they announce a new version of an MTA.
  mta TEXT NOT NULL, -- whose line it is
  shape TEXT NOT NULL, -- the line with what varies taken out
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
