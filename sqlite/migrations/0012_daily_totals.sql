CREATE TABLE daily_totals (
  -- Attempts by day to all domains together: the sums of daily_counts, written with them. A day may have tens of thousands of domains.
  day TEXT PRIMARY KEY, -- YYYY-MM-DD, UTC
  sent INTEGER NOT NULL, -- attempts that succeeded
  deferred INTEGER NOT NULL, -- attempts that were deferred
  bounced INTEGER NOT NULL, -- attempts that bounced
  expired INTEGER NOT NULL -- attempts that expired
) WITHOUT ROWID;

INSERT INTO daily_totals
SELECT day, sum(sent), sum(deferred), sum(bounced), sum(expired)
FROM daily_counts
GROUP BY day;
