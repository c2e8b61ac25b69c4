-- A batch changes many rows of the same pages, because the addresses of a batch often
-- failed in the batches before. With free space for twice as many changes, most of them
-- write to no index.
ALTER TABLE bouncetail.recipients SET (fillfactor = 65);
