// bouncetail_bulk(SQL, ROWS): runs one statement for many rows without a call
// from Go for each value, which costs more than SQLite itself does. ROWS holds
// the parameters of one row after the other, each a tag and a value; bulk.go
// writes them. It returns eight bytes a row, little-endian: the rowid where the
// row was inserted or changed, else 0.

#include "bulk.h"

#include <stdlib.h>
#include <string.h>

// What is used of SQLite's interface, as https://sqlite.org/c3ref documents it.
// The library itself is compiled in by another package, so the names are weak
// here: they are bound when the whole program is linked.
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct sqlite3_context sqlite3_context;
typedef struct sqlite3_value sqlite3_value;
typedef void (*destructor)(void *);

#define API(type) extern __attribute__((weak)) type
API(int) sqlite3_auto_extension(void (*)(void));
API(int) sqlite3_create_function(sqlite3 *, const char *, int, int, void *, void (*)(sqlite3_context *, int, sqlite3_value **),
	void (*)(sqlite3_context *, int, sqlite3_value **), void (*)(sqlite3_context *));
API(sqlite3 *) sqlite3_context_db_handle(sqlite3_context *);
API(const void *) sqlite3_value_blob(sqlite3_value *);
API(const unsigned char *) sqlite3_value_text(sqlite3_value *);
API(int) sqlite3_value_bytes(sqlite3_value *);
API(int) sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
API(int) sqlite3_bind_parameter_count(sqlite3_stmt *);
API(int) sqlite3_bind_null(sqlite3_stmt *, int);
API(int) sqlite3_bind_int64(sqlite3_stmt *, int, long long);
API(int) sqlite3_bind_text(sqlite3_stmt *, int, const char *, int, destructor);
API(int) sqlite3_bind_blob(sqlite3_stmt *, int, const void *, int, destructor);
API(int) sqlite3_step(sqlite3_stmt *);
API(int) sqlite3_reset(sqlite3_stmt *);
API(int) sqlite3_finalize(sqlite3_stmt *);
API(int) sqlite3_changes(sqlite3 *);
API(long long) sqlite3_last_insert_rowid(sqlite3 *);
API(int) sqlite3_extended_errcode(sqlite3 *);
API(const char *) sqlite3_errmsg(sqlite3 *);
API(void) sqlite3_result_error(sqlite3_context *, const char *, int);
API(void) sqlite3_result_error_code(sqlite3_context *, int);
API(void) sqlite3_result_error_nomem(sqlite3_context *);
API(void) sqlite3_result_blob(sqlite3_context *, const void *, int, destructor);

enum { OK = 0, ROW = 100, DONE = 101, UTF8 = 1, DIRECTONLY = 0x80000 };

// bind binds the parameter at the front of a row and returns what follows it,
// or NULL where the row is cut short or of an unknown form.
static const unsigned char *bind(sqlite3_stmt *stmt, int i, const unsigned char *at, const unsigned char *end, int *rc) {
	if (at == end) return NULL;
	unsigned char tag = *at++;
	switch (tag) {
	case BULK_NULL:
		*rc = sqlite3_bind_null(stmt, i);
		return at;
	case BULK_INT: {
		long long n;
		if (end - at < (long)sizeof n) return NULL;
		memcpy(&n, at, sizeof n);
		*rc = sqlite3_bind_int64(stmt, i, n);
		return at + sizeof n;
	}
	case BULK_TEXT:
	case BULK_BLOB: {
		unsigned int n;
		if (end - at < (long)sizeof n) return NULL;
		memcpy(&n, at, sizeof n);
		at += sizeof n;
		if (end - at < (long)n) return NULL;
		// Not copied (a destructor of 0): ROWS outlives the step.
		*rc = tag == BULK_TEXT ? sqlite3_bind_text(stmt, i, (const char *)at, (int)n, 0) : sqlite3_bind_blob(stmt, i, at, (int)n, 0);
		return at + n;
	}
	}
	return NULL;
}

static void bulk(sqlite3_context *context, int argc, sqlite3_value **argv) {
	(void)argc;
	sqlite3 *db = sqlite3_context_db_handle(context);
	const unsigned char *at = sqlite3_value_blob(argv[1]);
	const unsigned char *end = at + sqlite3_value_bytes(argv[1]);
	const char *sql = (const char *)sqlite3_value_text(argv[0]);
	if (sql == NULL) {
		sqlite3_result_error(context, "bulk: no statement", -1);
		return;
	}
	sqlite3_stmt *stmt = NULL;
	long long *ids = NULL;
	size_t rows = 0, room = 0;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	int parameters = rc == OK ? sqlite3_bind_parameter_count(stmt) : 0;
	while (rc == OK && at < end && parameters > 0) {
		for (int i = 1; i <= parameters && rc == OK; i++) {
			if ((at = bind(stmt, i, at, end, &rc)) == NULL) {
				sqlite3_result_error(context, "bulk: a row is cut short", -1);
				goto out;
			}
		}
		if (rc != OK) break;
		if (rows == room) {
			room = room ? 2 * room : 256;
			long long *more = realloc(ids, room * sizeof *ids);
			if (more == NULL) {
				sqlite3_result_error_nomem(context);
				goto out;
			}
			ids = more;
		}
		do rc = sqlite3_step(stmt);
		while (rc == ROW);
		if (rc != DONE) break;
		ids[rows++] = sqlite3_changes(db) > 0 ? sqlite3_last_insert_rowid(db) : 0;
		rc = sqlite3_reset(stmt);
	}
	if (rc != OK) {
		int code = sqlite3_extended_errcode(db);
		sqlite3_result_error(context, sqlite3_errmsg(db), -1);
		sqlite3_result_error_code(context, code);
		goto out;
	}
	sqlite3_result_blob(context, ids, (int)(rows * sizeof *ids), (destructor)-1); // copied
out:
	sqlite3_finalize(stmt);
	free(ids);
}

// init is called for every connection that the process opens.
static int init(sqlite3 *db, char **message, const void *unused) {
	(void)message, (void)unused;
	return sqlite3_create_function(db, "bouncetail_bulk", 2, UTF8 | DIRECTONLY, NULL, bulk, NULL, NULL);
}

int bouncetail_bulk_register(void) { return sqlite3_auto_extension((void (*)(void))init); }
