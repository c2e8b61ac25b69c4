package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/migrations"
)

// Backup writes a copy of a database, positions in the logs included, to a new
// file that only its owner may read. The daemon may write meanwhile.
func Backup(ctx context.Context, path, to string) error {
	db, _, err := OpenReadOnly(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	exists := fmt.Errorf("%s exists; name a new file", to)
	if _, err := os.Lstat(to); err == nil {
		return exists
	}
	// Under another name until all of it is on the disk: SQLite syncs no copy, and one that
	// was interrupted must not look like a backup.
	f, err := atomicfile.Create(to, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: the directory %s does not exist; create it", to, filepath.Dir(to))
	}
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", to, bad.Err)
	}
	if err != nil {
		return err
	}
	if err := copyTo(ctx, db, f.Name()); err != nil {
		return fmt.Errorf("%s: %w", to, errors.Join(err, f.Abort()))
	}
	err = f.CommitNew()
	if errors.Is(err, os.ErrExist) {
		return exists
	}
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", to, bad.Err)
	}
	return err
}

// copyTo writes a copy into an empty file.
func copyTo(ctx context.Context, db *sql.DB, to string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// query_only also refuses to write the copy. The file is still opened read-only.
	if _, err := conn.ExecContext(ctx, "PRAGMA query_only = off"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

// Restore puts a backup in the place of a database, which no process may be
// writing. A damaged backup is refused, and nothing is changed then. Whenever it is
// interrupted, the old database or the backup is there.
func Restore(ctx context.Context, from, path string) (err error) {
	if err := checkBackup(ctx, from); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := emptyLog(ctx, path); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	part := path + ".restoring"
	defer os.Remove(part) // it is gone after the rename
	if err := copyFile(from, part); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	// SQLite applies a log to whatever database is next to it, so the old ones are gone
	// for good before the backup has the name.
	err = errors.Join(removeLogs(path), atomicfile.SyncDir(filepath.Dir(path)))
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// emptyLog copies the write-ahead log that a killed writer has left into the database,
// which is whole without it then. A database that is damaged stays as it is.
func emptyLog(ctx context.Context, path string) error {
	if sizeOf(path+"-wal") == 0 {
		return nil
	}
	db := sqldb.Connect(path, "rw", "_busy_timeout=5000")
	var busy, pages, done int
	err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done)
	err = errors.Join(err, db.Close())
	switch {
	case busy != 0, sqldb.Contended(err):
		return errors.New("another program reads or writes it; end that one first")
	case NoSpace(err), ctx.Err() != nil:
		return err
	}
	return nil
}

// checkBackup returns an error unless a file is a sound database of bouncetail that
// this version can use.
func checkBackup(ctx context.Context, path string) error {
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		// Without its log, a database may lack changes or be torn.
		return fmt.Errorf(
			"backup %s is a database in use, or of a crash: a part of it is in %s-wal; write a copy first: bouncetail backup --db %s NEW",
			path, path, path,
		)
	}
	db, _, err := OpenReadOnly(ctx, path)
	if err != nil {
		return errors.New(strings.ReplaceAll(strings.Replace(err.Error(), "database ", "backup ", 1), " with --db", ""))
	}
	defer db.Close()
	version, err := schemaVersion(ctx, db)
	if err != nil {
		return fmt.Errorf("backup %s: %w", path, err)
	}
	if err := migrations.CheckNotNewer(version); err != nil {
		return fmt.Errorf("backup %s %w first", path, err)
	}
	var result string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&result); err != nil || result != "ok" {
		return fmt.Errorf("backup %s is damaged: %w", path, errors.Join(err, errors.New(result)))
	}
	return nil
}

// copyFile copies a file, makes it durable and gives it to the owner of the folder.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	giveToFolderOwner(out, to)
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
