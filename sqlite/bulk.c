// Two SQL functions that save a call from Go for each value, which costs more
// than SQLite itself does. bulk.go writes and reads what they take and give:
// values one after the other, each a tag and its bytes. What is large is not
// handed through SQL but lies in the caller's memory, which they are told the
// address of: SQL that comes from elsewhere cannot call them (SQLITE_DIRECTONLY).
//
// bouncetail_bulk(SQL, ROWS, SIZE, IDS): runs one statement for many rows. ROWS
// is the address of the parameters of one row after the other, SIZE bytes. For
// each row it writes eight bytes to the address IDS: the rowid where the row was
// inserted or changed, else 0. It returns how many rows there were.
//
// bouncetail_rows(SQL, ROWS, SIZE, ANSWER): runs a query once for each row of
// parameters, and gives the values of all that it finds, one after the other, to
// the struct bouncetail_answer at the address ANSWER.
//
// bouncetail_keep(YES): from now on the statements that this connection runs by
// these two are kept for the next time, because to prepare them costs more than
// to run them for a few rows. With 0 they are let go of, which has to be done
// before the connection is closed.

#include "bulk.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// What is used of SQLite's interface, as https://sqlite.org/c3ref documents it.
// The library itself is compiled in by another package, so the names are weak
// here: they are bound when the whole program is linked.
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct sqlite3_context sqlite3_context;
typedef struct sqlite3_value sqlite3_value;
typedef void (*destructor)(void *);

#define API(type) extern __attribute__((weak)) type
API(int) sqlite3_config(int, ...);
API(int) sqlite3_auto_extension(void (*)(void));
API(int) sqlite3_create_function_v2(sqlite3 *, const char *, int, int, void *, void (*)(sqlite3_context *, int, sqlite3_value **),
	void (*)(sqlite3_context *, int, sqlite3_value **), void (*)(sqlite3_context *), destructor);
API(void *) sqlite3_user_data(sqlite3_context *);
API(int) sqlite3_value_int(sqlite3_value *);
API(const char *) sqlite3_sql(sqlite3_stmt *);
API(int) sqlite3_clear_bindings(sqlite3_stmt *);
API(sqlite3 *) sqlite3_context_db_handle(sqlite3_context *);
API(const unsigned char *) sqlite3_value_text(sqlite3_value *);
API(long long) sqlite3_value_int64(sqlite3_value *);
API(int) sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
API(int) sqlite3_bind_parameter_count(sqlite3_stmt *);
API(int) sqlite3_bind_null(sqlite3_stmt *, int);
API(int) sqlite3_bind_int64(sqlite3_stmt *, int, long long);
API(int) sqlite3_bind_text(sqlite3_stmt *, int, const char *, int, destructor);
API(int) sqlite3_bind_blob(sqlite3_stmt *, int, const void *, int, destructor);
API(int) sqlite3_step(sqlite3_stmt *);
API(int) sqlite3_reset(sqlite3_stmt *);
API(int) sqlite3_finalize(sqlite3_stmt *);
API(int) sqlite3_column_count(sqlite3_stmt *);
API(int) sqlite3_column_type(sqlite3_stmt *, int);
API(long long) sqlite3_column_int64(sqlite3_stmt *, int);
API(const void *) sqlite3_column_blob(sqlite3_stmt *, int);
API(int) sqlite3_column_bytes(sqlite3_stmt *, int);
API(int) sqlite3_changes(sqlite3 *);
API(long long) sqlite3_last_insert_rowid(sqlite3 *);
API(int) sqlite3_extended_errcode(sqlite3 *);
API(const char *) sqlite3_errmsg(sqlite3 *);
API(void) sqlite3_result_error(sqlite3_context *, const char *, int);
API(void) sqlite3_result_error_code(sqlite3_context *, int);
API(void) sqlite3_result_error_nomem(sqlite3_context *);
API(void) sqlite3_result_int64(sqlite3_context *, long long);

enum { INTEGER = 1, BLOB = 4, ISNULL = 5 }; // types of columns; the others are read as text
enum { MEMSTATUS = 9 };
enum { OK = 0, NOMEM = 7, ROW = 100, DONE = 101, UTF8 = 1, DIRECTONLY = 0x80000 };

// kept is the statements that a connection keeps.
struct kept {
	int on, n;
	struct {
		sqlite3_stmt *stmt;
		int taken;
	} all[32];
};

// take returns a statement that was kept, or prepares it.
static sqlite3_stmt *take(struct kept *k, sqlite3 *db, const char *sql, int *rc) {
	*rc = OK;
	for (int i = 0; i < k->n; i++) {
		if (!k->all[i].taken && strcmp(sqlite3_sql(k->all[i].stmt), sql) == 0) {
			k->all[i].taken = 1;
			return k->all[i].stmt;
		}
	}
	sqlite3_stmt *stmt = NULL;
	*rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (stmt != NULL && k->on && k->n < (int)(sizeof k->all / sizeof k->all[0])) {
		k->all[k->n].stmt = stmt;
		k->all[k->n++].taken = 1;
	}
	return stmt;
}

// give ends the use of a statement.
static void give(struct kept *k, sqlite3_stmt *stmt) {
	for (int i = 0; i < k->n; i++) {
		if (k->all[i].stmt == stmt) {
			sqlite3_reset(stmt);
			sqlite3_clear_bindings(stmt); // they point to what is gone soon
			k->all[i].taken = 0;
			return;
		}
	}
	sqlite3_finalize(stmt);
}

static void keep(sqlite3_context *context, int argc, sqlite3_value **argv) {
	(void)argc;
	struct kept *k = sqlite3_user_data(context);
	k->on = sqlite3_value_int(argv[0]);
	while (!k->on && k->n > 0) sqlite3_finalize(k->all[--k->n].stmt);
}

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

// bind_row binds all parameters, and returns what follows the row, or NULL where
// it could not: rc tells whether SQLite or the row is to blame.
static const unsigned char *bind_row(sqlite3_stmt *stmt, int parameters, const unsigned char *at, const unsigned char *end, int *rc) {
	for (int i = 1; i <= parameters && at != NULL && *rc == OK; i++) at = bind(stmt, i, at, end, rc);
	return *rc == OK ? at : NULL;
}

// fail passes the last error of SQLite on.
static void fail(sqlite3_context *context, sqlite3 *db) {
	int code = sqlite3_extended_errcode(db);
	sqlite3_result_error(context, sqlite3_errmsg(db), -1);
	sqlite3_result_error_code(context, code);
}

static const char cut_short[] = "a row of parameters is cut short";

// memory returns the address that an argument gives.
static void *memory(sqlite3_value *v) { return (void *)(uintptr_t)sqlite3_value_int64(v); }

static void bulk(sqlite3_context *context, int argc, sqlite3_value **argv) {
	(void)argc;
	sqlite3 *db = sqlite3_context_db_handle(context);
	const char *sql = (const char *)sqlite3_value_text(argv[0]);
	const unsigned char *at = memory(argv[1]);
	const unsigned char *end = at + sqlite3_value_int64(argv[2]);
	long long *ids = memory(argv[3]);
	if (sql == NULL) {
		sqlite3_result_error(context, "bulk: no statement", -1);
		return;
	}
	struct kept *k = sqlite3_user_data(context);
	long long rows = 0;
	int rc;
	sqlite3_stmt *stmt = take(k, db, sql, &rc);
	int parameters = rc == OK ? sqlite3_bind_parameter_count(stmt) : 0;
	while (rc == OK && at < end && parameters > 0) {
		if ((at = bind_row(stmt, parameters, at, end, &rc)) == NULL) break;
		do rc = sqlite3_step(stmt);
		while (rc == ROW);
		if (rc != DONE) break;
		ids[rows++] = sqlite3_changes(db) > 0 ? sqlite3_last_insert_rowid(db) : 0;
		rc = sqlite3_reset(stmt);
	}
	if (rc != OK)
		fail(context, db);
	else if (at == NULL)
		sqlite3_result_error(context, cut_short, -1);
	else
		sqlite3_result_int64(context, rows);
	give(k, stmt);
}

// buffer is bytes that grow.
struct buffer {
	unsigned char *data;
	size_t size, room;
	int failed; // no memory was left
};

static void append(struct buffer *b, const void *data, size_t n) {
	if (b->failed) return;
	if (b->room - b->size < n) {
		size_t room = 2 * b->room + n + 4096;
		unsigned char *more = realloc(b->data, room);
		if (more == NULL) {
			b->failed = 1;
			return;
		}
		b->data = more;
		b->room = room;
	}
	memcpy(b->data + b->size, data, n);
	b->size += n;
}

static void append_column(struct buffer *b, sqlite3_stmt *stmt, int i) {
	int type = sqlite3_column_type(stmt, i);
	unsigned char tag = type == INTEGER ? BULK_INT : type == ISNULL ? BULK_NULL : type == BLOB ? BULK_BLOB : BULK_TEXT;
	append(b, &tag, 1);
	if (tag == BULK_INT) {
		long long n = sqlite3_column_int64(stmt, i);
		append(b, &n, sizeof n);
	} else if (tag != BULK_NULL) {
		const void *data = sqlite3_column_blob(stmt, i);
		unsigned int n = (unsigned int)sqlite3_column_bytes(stmt, i);
		append(b, &n, sizeof n);
		if (n > 0) append(b, data, n);
	}
}

static void rows(sqlite3_context *context, int argc, sqlite3_value **argv) {
	(void)argc;
	sqlite3 *db = sqlite3_context_db_handle(context);
	const char *sql = (const char *)sqlite3_value_text(argv[0]);
	const unsigned char *at = memory(argv[1]);
	const unsigned char *end = at + sqlite3_value_int64(argv[2]);
	struct bouncetail_answer *answer = memory(argv[3]);
	if (sql == NULL) {
		sqlite3_result_error(context, "rows: no query", -1);
		return;
	}
	struct kept *k = sqlite3_user_data(context);
	struct buffer b = {0};
	int rc;
	sqlite3_stmt *stmt = take(k, db, sql, &rc);
	int parameters = rc == OK ? sqlite3_bind_parameter_count(stmt) : 0;
	int columns = rc == OK ? sqlite3_column_count(stmt) : 0;
	while (rc == OK && at < end && parameters > 0 && !b.failed) {
		if ((at = bind_row(stmt, parameters, at, end, &rc)) == NULL) break;
		while ((rc = sqlite3_step(stmt)) == ROW) {
			for (int column = 0; column < columns; column++) append_column(&b, stmt, column);
		}
		if (rc == DONE) rc = sqlite3_reset(stmt);
	}
	if (rc != OK) {
		fail(context, db);
	} else if (at == NULL) {
		sqlite3_result_error(context, cut_short, -1);
	} else if (b.failed) {
		sqlite3_result_error_nomem(context);
	} else {
		answer->data = b.data;
		answer->size = b.size;
		b.data = NULL; // the caller's from here on
	}
	give(k, stmt);
	free(b.data);
}

// init is called for every connection that the process opens.
static int init(sqlite3 *db, char **message, const void *unused) {
	(void)message, (void)unused;
	struct kept *k = calloc(1, sizeof *k);
	if (k == NULL) return NOMEM;
	int rc = sqlite3_create_function_v2(db, "bouncetail_keep", 1, UTF8 | DIRECTONLY, k, keep, NULL, NULL, free);
	if (rc == OK) rc = sqlite3_create_function_v2(db, "bouncetail_bulk", 4, UTF8 | DIRECTONLY, k, bulk, NULL, NULL, NULL);
	if (rc == OK) rc = sqlite3_create_function_v2(db, "bouncetail_rows", 4, UTF8 | DIRECTONLY, k, rows, NULL, NULL, NULL);
	return rc;
}

#ifdef __GLIBC__
// Before there are threads, each of which would get an arena of its own, that is
// made larger by a system call for every page of SQLite's: one is grown by
// megabytes, and gives back what is freed at its end only where that is much.
// Large blobs go back to the system at once. Without a word the library keeps
// ever larger ones for itself.
__attribute__((constructor)) static void set_up_memory(void) {
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TOP_PAD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
}
#endif

int bouncetail_bulk_register(void) {
	// Nobody asks how much memory SQLite takes, and to count it costs a lock each
	// time. Where SQLite has begun already, it goes on counting.
	sqlite3_config(MEMSTATUS, 0);
	return sqlite3_auto_extension((void (*)(void))init);
}
