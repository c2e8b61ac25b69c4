CREATE TABLE webhook_cursors (
  -- How far each webhook has been told of the changes of recipients.
  name TEXT PRIMARY KEY, -- as in the settings
  seq INTEGER NOT NULL, -- of the last change that it took, or that was given up
  moved_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  trouble TEXT -- why it does not take the next one, NULL where it does
) WITHOUT ROWID;

CREATE TABLE webhook_dead_letters (
  -- The recipients of which a webhook could not be told, until webhooks replay has done it, or a later change was taken.
  name TEXT NOT NULL, -- the webhook
  recipient_key INTEGER NOT NULL, -- whose row in recipients is sent
  seq INTEGER NOT NULL, -- of the change that was given up
  gave_up_at TEXT NOT NULL, -- RFC 3339, UTC, milliseconds
  error TEXT NOT NULL, -- what the last try came to
  PRIMARY KEY (name, recipient_key)
) WITHOUT ROWID;
