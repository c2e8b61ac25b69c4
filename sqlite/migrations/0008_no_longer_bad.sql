ALTER TABLE recipients ADD COLUMN left_bad_seq INTEGER /* seq of the last change from bad to another state; NULL if it never was bad. Exports that reported it as bad also report this change */;

-- Which of the older changes were from bad is not known. Exports that go on report them all, once.
UPDATE recipients SET left_bad_seq = seq WHERE state <> 'bad' AND seq > (SELECT min(seq) FROM export_cursors);
