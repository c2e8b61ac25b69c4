// Tags of the values that the functions take and give; see bulk.c and bulk.go.
enum { BULK_NULL, BULK_INT, BULK_TEXT, BULK_BLOB };

// bouncetail_answer is what bouncetail_rows found: memory that whoever asked
// frees.
struct bouncetail_answer {
	void *data;
	unsigned long long size;
};

// bouncetail_bulk_register makes the functions known to every connection that
// is opened from then on. It returns 0, or an error code of SQLite.
int bouncetail_bulk_register(void);
