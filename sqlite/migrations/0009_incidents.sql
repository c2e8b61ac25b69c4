CREATE TABLE provider_windows (
  -- Attempts by provider and time of the log, written with the records. They begin with the version that has them. Incidents are found in them.
  span INTEGER NOT NULL, -- seconds: 300; 3600 if older than 14 days, 86400 if older than 90
  start INTEGER NOT NULL, -- Unix seconds, a multiple of span
  provider TEXT NOT NULL, -- the slug; else the domain, if it is one of the 200 with most attempts, over 50, on the day before; else other
  sent INTEGER NOT NULL, -- attempts that succeeded
  deferred INTEGER NOT NULL, -- attempts that were deferred
  bounced INTEGER NOT NULL, -- attempts that bounced
  expired INTEGER NOT NULL, -- attempts that expired
  tried INTEGER NOT NULL, -- first attempts that say something about the provider
  refused INTEGER NOT NULL, -- those of them that failed with scope sender, network, message or domain
  PRIMARY KEY (span, start, provider)
) WITHOUT ROWID;

CREATE INDEX provider_windows_by_provider ON provider_windows (provider, start) WHERE span = 300;

CREATE TABLE provider_baselines (
  -- What is usual for a provider. Both sums halve in 7 days.
  provider TEXT PRIMARY KEY, -- as in provider_windows
  tried REAL NOT NULL, -- first attempts
  refused REAL NOT NULL, -- of these, refused
  updated INTEGER NOT NULL, -- Unix seconds: the end of the last window that is included
  incident INTEGER, -- the open incident that the detector found; NULL if there is none
  judged INTEGER NOT NULL, -- Unix seconds: the end of the last window that was judged
  ended INTEGER NOT NULL -- Unix seconds: when the last such incident ended; earlier windows are not judged again
) WITHOUT ROWID;

CREATE TABLE daily_reasons (
  -- Failures by day and reason, written with the records, as daily_counts is.
  day TEXT NOT NULL, -- YYYY-MM-DD, UTC
  provider TEXT NOT NULL, -- the slug, or other
  category TEXT NOT NULL, -- of the verdict
  reason TEXT NOT NULL, -- of the verdict
  scope TEXT NOT NULL, -- of the verdict
  failures INTEGER NOT NULL, -- how many there were
  PRIMARY KEY (day, provider, category, reason, scope)
) WITHOUT ROWID;

INSERT INTO daily_reasons
SELECT substr(occurred_at, 1, 10), coalesce(provider, 'other'), category, reason, scope, count(*)
FROM bounces
GROUP BY 1, 2, 3, 4, 5;

CREATE TABLE metric_totals (
  -- What was counted since the database was made or came to this version, in the transaction of what is counted. No value ever falls.
  name TEXT NOT NULL, -- without bouncetail_ and _total; for a histogram with _bucket, _count or _sum
  labels TEXT NOT NULL, -- as they are exposed: sorted by name, escaped: outcome="sent",provider="google"
  value INTEGER NOT NULL, -- for a _sum: microseconds
  PRIMARY KEY (name, labels)
) WITHOUT ROWID;

INSERT INTO metric_totals
SELECT 'imported_attempts', 'outcome="' || outcome || '"', n
FROM (
  SELECT 'sent' AS outcome, sum(sent) AS n FROM daily_counts
  UNION ALL SELECT 'deferred', sum(deferred) FROM daily_counts
  UNION ALL SELECT 'bounced', sum(bounced) FROM daily_counts
  UNION ALL SELECT 'expired', sum(expired) FROM daily_counts
)
WHERE n > 0;

-- The numbers of recipients by state.
INSERT INTO meta SELECT 'recipients_' || state, count(*) FROM recipients GROUP BY state;

-- The look for incidents begins with the failures of the last 30 days.
INSERT INTO meta
SELECT 'incidents_bounce', coalesce(max(id), 0)
FROM bounces
WHERE occurred_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-30 days');

CREATE TABLE incidents (
  -- What hit many at once, one row for a cause and a time. Numbers are never reused.
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- its number
  kind TEXT NOT NULL, -- provider-refuses, blocklist, own-network, own-server, unreachable, inactivity, bad-surge, bad-list, unclassified-surge, log-stalled, log-gap, drift
  scope TEXT NOT NULL, -- of the failures; empty if it is not about failures
  category TEXT NOT NULL, -- of the failures; empty likewise
  reason TEXT NOT NULL, -- of the failures; empty likewise; mixed if none has half of them
  enhanced_code TEXT NOT NULL, -- of the last failure; empty if there is none
  subject TEXT NOT NULL, -- the provider, blocklist, domain, sender or source; empty if there is none
  started_at TEXT NOT NULL, -- first failure, in the time of the log
  last_at TEXT NOT NULL, -- last failure, in the time of the log
  opened_at TEXT NOT NULL, -- when it was found, by the clock
  rang_at TEXT, -- when it was first worth a notice; NULL if it never was
  over_at TEXT, -- when it ended, in the time of the log; NULL while it is open
  ended_by TEXT, -- delivery, pause, quiet; NULL while it is open
  part_of INTEGER, -- the incident that it belongs to; NULL if it stands for itself
  backlog INTEGER NOT NULL, -- 1 if it was found in lines that were over 15 minutes old
  tried INTEGER, -- first attempts of the span in which it was found; NULL if it was only gathered
  refused INTEGER, -- of these, refused
  baseline REAL, -- the usual share
  p REAL, -- the probability of that at twice the usual share
  attempts INTEGER NOT NULL, -- failures
  addresses INTEGER NOT NULL, -- that failed
  domains INTEGER NOT NULL, -- of these addresses
  bounce_id INTEGER -- the last failure, whose reply is shown; NULL if there is none
);

CREATE UNIQUE INDEX incidents_open ON incidents (kind, subject, reason) WHERE over_at IS NULL;
CREATE INDEX incidents_by_end ON incidents (last_at);

CREATE TABLE incident_notices (
  -- Notices of incidents that are due or were sent.
  incident INTEGER NOT NULL, -- its number
  channel TEXT NOT NULL, -- the name in the settings
  what TEXT NOT NULL, -- opened; again-YYYY-MM-DD, with THH:MM if there are several a day; over
  due_at TEXT NOT NULL, -- when it is to be sent
  sent_at TEXT, -- when it was; NULL if it was not yet
  tries INTEGER NOT NULL, -- how often it was tried
  error TEXT, -- of the last try; NULL if there is none
  gave_up INTEGER NOT NULL DEFAULT 0, -- 1 if it is not tried again
  PRIMARY KEY (incident, channel, what)
) WITHOUT ROWID;

CREATE INDEX incident_notices_due ON incident_notices (due_at) WHERE sent_at IS NULL AND gave_up = 0;

CREATE TABLE silences (
  -- Incidents of which no notice is sent.
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- grows
  kind TEXT NOT NULL, -- of the incidents
  subject TEXT, -- of the incidents; NULL is any
  until TEXT NOT NULL, -- when it ends
  note TEXT, -- why
  created_at TEXT NOT NULL -- RFC 3339, UTC, milliseconds
);
