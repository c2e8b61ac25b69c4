CREATE TABLE recent_deliveries (
  -- The last successful deliveries that are not in deliveries yet. An address may be in several buckets, and in deliveries: the latest time counts. From time to time they are merged into deliveries.
  bucket INTEGER PRIMARY KEY, -- the run (0: small batches, 1: what no longer fits in 0, others: one large batch each) times 65536, plus the top bits of recipient_key: 8 in run 0, else 12
  entries BLOB NOT NULL -- as in deliveries
);
