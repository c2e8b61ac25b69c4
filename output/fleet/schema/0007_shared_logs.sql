ALTER TABLE bouncetail.fleet_instances
  ADD COLUMN shared bigint NOT NULL DEFAULT 0; -- failures that it has read, and another instance had sent before

UPDATE bouncetail.fleet_instances i
SET shared = (SELECT count(*) FROM bouncetail.also_read a WHERE a.instance = i.number);
