-- The number of failures. The transaction that stores failures adds to it.
INSERT INTO meta SELECT 'rows_bounces', count(*) FROM bounces;

CREATE TRIGGER bounces_deleted AFTER DELETE ON bounces BEGIN
  UPDATE meta SET value = value - 1 WHERE name = 'rows_bounces';
END;

CREATE TRIGGER incidents_deleted AFTER DELETE ON incidents BEGIN
  DELETE FROM incident_notices WHERE incident = OLD.id;
END;
