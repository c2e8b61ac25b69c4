CREATE TABLE incident_domains (
  -- The domains that an incident of an import has, so that the next import adds its own to domains without reading all failures of the incident again.
  incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE, -- its number
  domain TEXT NOT NULL, -- as in bounces
  PRIMARY KEY (incident, domain)
) WITHOUT ROWID;

CREATE TABLE incident_counts (
  -- Up to where an import has counted the failures of an incident. The domains of these are in incident_domains.
  incident INTEGER PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE, -- its number
  bounce_id INTEGER NOT NULL -- the last failure of all in bounces
);
