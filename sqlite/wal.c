// SQLite writes each page of a commit to its write-ahead log with two calls of
// the system: 24 bytes of frame header, and the page. For a daemon that commits
// a dozen times a second these calls cost more than the pages. The VFS
// "bouncetail" is SQLite's own, but for that it gathers what a commit appends to
// the log, and writes it in large pieces. See https://sqlite.org/fileformat.html
// (the WAL) and https://sqlite.org/vfs.html.
//
// Frames wait from the call of the commit hook until the last frame of the
// commit is there, while SQLite does nothing but write them. The last one takes
// the others along, and an error is its error: only after it are the frames
// entered in the index, where other connections find them. What a transaction
// writes before, because its pages are too many for the cache, does not wait: it
// is read again, or is undone. This is not for locking_mode = EXCLUSIVE, which
// does not tell the end of a transaction.

#include "wal.h"

#include <stdlib.h>
#include <string.h>

// What is used of SQLite's interface; see bulk.c.
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_vfs sqlite3_vfs;
typedef struct sqlite3_file sqlite3_file;

struct methods {
	int version;
	int (*close)(sqlite3_file *);
	int (*read)(sqlite3_file *, void *, int, long long);
	int (*write)(sqlite3_file *, const void *, int, long long);
	void *up_to_characteristics[9];
	int (*shm_map)(sqlite3_file *, int, int, int, void volatile **);
	int (*shm_lock)(sqlite3_file *, int, int, int);
	void *up_to_unfetch[4];
};

struct sqlite3_file {
	const struct methods *methods;
};

struct sqlite3_vfs {
	int version;
	int file_size;
	int max_path;
	sqlite3_vfs *next;
	const char *name;
	void *data;
	int (*open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
	void *up_to_next_system_call[15];
};

#define API(type) extern __attribute__((weak)) type
API(int) sqlite3_auto_extension(void (*)(void));
API(void *) sqlite3_commit_hook(sqlite3 *, int (*)(void *), void *);
API(int) sqlite3_file_control(sqlite3 *, const char *, int, void *);
API(sqlite3_file *) sqlite3_database_file_object(const char *);
API(sqlite3_vfs *) sqlite3_vfs_find(const char *);
API(int) sqlite3_vfs_register(sqlite3_vfs *, int);

enum { OK = 0, ERROR = 1, JOURNAL_POINTER = 28, MAIN_DB = 0x100, WAL = 0x80000, UNLOCK = 1, WRITE_LOCK = 0 };
enum { HEADER = 24 };
// For the largest page, and small enough for a processor's cache. SQLite's own
// VFS cannot write more than 128 KB at a time.
enum { ROOM = 72 << 10 };

// more is what the VFS keeps of a database or a log, behind SQLite's own part.
struct more {
	struct methods methods; // SQLite's own, but for those below
	const struct methods *own;
	sqlite3_file *other; // the database's log, or NULL; the log's database

	// Of a log:
	int commits;     // frames wait
	int last;        // the header that came last is that of the last frame
	int size;        // of the frames that wait
	long long start; // where they go
	unsigned char *frames;
};

static sqlite3_vfs *own;

static struct more *more(sqlite3_file *file) { return (struct more *)((char *)file + own->file_size); }

// flush writes the frames that wait. After an error they are gone, and SQLite
// rolls the commit back.
static int flush(sqlite3_file *log) {
	struct more *m = more(log);
	int size = m->size;
	m->size = 0;
	return size == 0 ? OK : m->own->write(log, m->frames, size, m->start);
}

static int write_log(sqlite3_file *log, const void *data, int n, long long at) {
	struct more *m = more(log);
	if (!m->commits) return m->own->write(log, data, n, at);
	int header = n == HEADER;
	int follows = m->size > 0 && at == m->start + m->size;
	if (!follows) {
		int rc = flush(log);
		if (rc != OK) return rc;
		// A page that the transaction had written to the log before goes to its place.
		if (!header) return m->own->write(log, data, n, at);
		m->start = at;
	}
	memcpy(m->frames + m->size, data, (size_t)n);
	m->size += n;
	if (header) {
		// The size of the database after the commit; 0 in all frames but its last.
		static const char zero[4];
		m->last = memcmp((const char *)data + 4, zero, sizeof zero) != 0;
	}
	if (header) return OK;
	if (m->last) m->commits = 0;
	return m->last || ROOM - m->size < HEADER + n ? flush(log) : OK;
}

static int close_log(sqlite3_file *log) {
	struct more *m = more(log);
	more(m->other)->other = NULL;
	free(m->frames);
	return m->own->close(log);
}

// shm_lock_db ends the waiting with the transaction: a commit that changed
// nothing, or that failed, has no last frame.
static int shm_lock_db(sqlite3_file *db, int offset, int n, int flags) {
	struct more *m = more(db);
	if (m->other != NULL && offset == WRITE_LOCK && flags & UNLOCK) {
		struct more *log = more(m->other);
		log->commits = log->size = 0;
	}
	return m->own->shm_lock(db, offset, n, flags);
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
	(void)vfs;
	int rc = own->open(own, name, file, flags, out);
	if (rc != OK || !(flags & (MAIN_DB | WAL))) return rc;
	struct more *m = more(file);
	*m = (struct more){.methods = *file->methods, .own = file->methods};
	if (flags & MAIN_DB) {
		m->methods.shm_lock = shm_lock_db;
	} else {
		m->frames = malloc(ROOM);
		if (m->frames == NULL) return OK; // it goes without
		m->other = sqlite3_database_file_object(name);
		more(m->other)->other = file;
		m->methods.write = write_log;
		m->methods.close = close_log;
	}
	file->methods = &m->methods;
	return OK;
}

// on_commit is called before a commit writes its pages.
static int on_commit(void *db) {
	sqlite3_file *log = NULL;
	if (sqlite3_file_control(db, "main", JOURNAL_POINTER, &log) == OK && log != NULL && log->methods != NULL && log->methods->write == write_log) {
		more(log)->commits = 1;
	}
	return 0; // it may go on
}

// init is called for every connection that the process opens.
static int init(sqlite3 *db, char **message, const void *unused) {
	(void)message, (void)unused;
	sqlite3_commit_hook(db, on_commit, db);
	return OK;
}

int bouncetail_wal_register(void) {
	static sqlite3_vfs vfs;
	own = sqlite3_vfs_find(NULL);
	if (own == NULL || own->version < 3) return ERROR;
	vfs = *own;
	vfs.name = "bouncetail";
	vfs.file_size = own->file_size + (int)sizeof(struct more);
	vfs.open = open_file;
	int rc = sqlite3_vfs_register(&vfs, 0);
	return rc != OK ? rc : sqlite3_auto_extension((void (*)(void))init);
}
