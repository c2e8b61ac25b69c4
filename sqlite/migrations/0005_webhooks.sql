CREATE TABLE webhook_cursors (
  -- The last change of recipients that each webhook received.
  name TEXT PRIMARY KEY, -- as in the settings
  seq INTEGER NOT NULL, -- of the last change that it accepted, or that became a dead letter
  moved_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  trouble TEXT -- why it does not accept the next change; NULL if it does
) WITHOUT ROWID;

CREATE TABLE webhook_dead_letters (
  -- Changes of recipients that a webhook refused, until webhooks replay delivers them or the webhook accepts a later change.
  name TEXT NOT NULL, -- the webhook
  recipient_key INTEGER NOT NULL, -- whose row in recipients is sent
  seq INTEGER NOT NULL, -- of the change that was refused
  gave_up_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  error TEXT NOT NULL, -- the error of the last attempt
  PRIMARY KEY (name, recipient_key)
) WITHOUT ROWID;
