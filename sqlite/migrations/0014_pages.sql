-- The indexes that pages and lists look things up in. They cost an import next to nothing:
-- few failures are unclassified, few addresses are suspect, and the domain of an address
-- never changes.
CREATE INDEX bounces_unclassified ON bounces (occurred_at) WHERE category = 'unclassified';
CREATE INDEX recipients_suspect ON recipients (recipient) WHERE state = 'suspect';
CREATE INDEX recipients_by_domain ON recipients (domain);
