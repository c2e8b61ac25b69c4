CREATE INDEX recipients_by_bad_since ON recipients (bad_since, category, reason) WHERE state = 'bad';
