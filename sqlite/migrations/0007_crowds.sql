ALTER TABLE daily_counts ADD COLUMN sent_slots BLOB /* deliveries by ten minutes: for each ten minutes with one, its number in the day (a byte) and how many (a varint); NULL if there were none or it is not known */;

CREATE INDEX daily_counts_by_domain ON daily_counts (domain, day);

CREATE TABLE daily_traffic (
  -- Deliveries to all domains together, by ten minutes. Refusals are compared with them.
  day TEXT PRIMARY KEY, -- YYYY-MM-DD, UTC
  slots BLOB -- for each ten minutes with a delivery, its number in the day (a byte), the deliveries and the domains (a varint each); NULL if it is not known
) WITHOUT ROWID;

INSERT INTO daily_traffic SELECT DISTINCT day, NULL FROM daily_counts WHERE sent > 0;

CREATE TABLE crowds (
  -- Addresses that accepted mail and were refused together, which may be an outage: they are suspect and not bad. Follows from bounces, deliveries, daily_counts and the settings only, until it is frozen.
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- grows
  kind TEXT NOT NULL, -- what the refusals have in common: domain, provider, relay (the servers that answered), host (one that was not found), dns (several domains that were not found)
  unit TEXT NOT NULL, -- the domain, provider, name or IP address of the relay, or host; empty for dns
  started_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  last_at TEXT NOT NULL, -- the last refusal
  ended_at TEXT NOT NULL, -- an hour later, and at most 24 hours after started_at: refusals until then are part of the crowd
  addresses INTEGER NOT NULL, -- that accepted mail before or after; for host and dns: domains
  refused INTEGER NOT NULL, -- their refusals, each address or domain once in ten minutes
  attempts INTEGER NOT NULL, -- refusals, and deliveries in that time; for dns: domains; 0 if not known
  domains TEXT, -- the domains that provider or relay includes (JSON); NULL for the other kinds
  frozen INTEGER NOT NULL DEFAULT 0 -- 1 if failures of that time were deleted: the crowd stays as it is
);

CREATE INDEX crowds_by_start ON crowds (started_at);

CREATE TABLE confirms (
  -- Failures that make an address bad although they are part of a crowd, confirmed by hand.
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- grows
  since TEXT NOT NULL, -- failures at or after this time
  until TEXT NOT NULL, -- and before this one
  category TEXT, -- of this category only; NULL is any
  domain TEXT, -- of recipients in this domain only; NULL is any
  reason TEXT, -- for this reason only; NULL is any
  note TEXT, -- why
  confirmed_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  withdrawn_at TEXT -- when it was withdrawn; NULL while it is in force
);

CREATE TABLE recalls (
  -- Addresses that were bad and became suspect. Webhooks that received the former receive the latter.
  recipient_key INTEGER PRIMARY KEY, -- joins to recipients
  seq INTEGER NOT NULL, -- of that change of recipients
  recalled_at TEXT NOT NULL -- RFC 3339, UTC, milliseconds
);

-- What crowds are made of.
CREATE INDEX bounces_refused ON bounces (occurred_at, recipient_key, domain, provider, relay_host, relay_ip, reason) WHERE suppress = 1;
