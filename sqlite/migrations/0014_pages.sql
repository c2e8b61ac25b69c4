-- The indexes that pages and lists look things up in. The first two cost an import next to
-- nothing: few failures are unclassified, and few addresses are suspect. The third one was
-- changed for each new address, in random order, which was 13 % of an import into a large
-- database. Migration 15 drops it.
CREATE INDEX bounces_unclassified ON bounces (occurred_at) WHERE category = 'unclassified';
CREATE INDEX recipients_suspect ON recipients (recipient) WHERE state = 'suspect';
CREATE INDEX recipients_by_domain ON recipients (domain);
