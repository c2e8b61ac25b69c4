-- Crowds are searched among the refusals of addresses that were reached before or after.
-- Most addresses that are refused were never reached, so this index is small.
CREATE INDEX recipients_refused_and_reached ON recipients (recipient_key) WHERE last_delivery_at IS NOT NULL AND permanent_count > 0;
