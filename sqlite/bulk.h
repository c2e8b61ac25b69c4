// Tags of the values that bouncetail_bulk takes; see bulk.c and bulk.go.
enum { BULK_NULL, BULK_INT, BULK_TEXT, BULK_BLOB };

// bouncetail_bulk_register makes the function known to every connection that
// is opened from then on. It returns 0, or an error code of SQLite.
int bouncetail_bulk_register(void);
