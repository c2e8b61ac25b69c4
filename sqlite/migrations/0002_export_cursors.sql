CREATE TABLE export_cursors (
  -- How far each named export has handed over the changes of recipients.
  name TEXT PRIMARY KEY, -- as given to export --cursor
  seq INTEGER NOT NULL, -- of the last change that was handed over
  moved_at TEXT NOT NULL -- RFC 3339, UTC, milliseconds
) WITHOUT ROWID;
