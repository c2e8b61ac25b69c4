package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// walStory is a random story of two connections that write to one database, one
// of which gathers what it writes, and what the database has to hold.
type walStory struct {
	t        *testing.T
	rng      *rand.Rand
	path     string
	gathers  *sql.DB
	other    *sql.DB
	rows     map[int]int // length of v by k
	commits  int
	failures int // of transactions for which there was no room
	restarts int // of the log, seen by its salt
	salt     string
}

func openWAL(t *testing.T, path, pragmas string) *sql.DB {
	t.Helper()
	db, err := connect(path, "rwc", pragmas+"&_journal_mode=WAL&_synchronous=NORMAL")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

func (s *walStory) do(db *sql.DB, query string, args ...any) error {
	_, err := db.ExecContext(s.t.Context(), query, args...)
	return err
}

func (s *walStory) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// change changes a few rows in a transaction.
func (s *walStory) change(db *sql.DB, rows map[int]int, n int) error {
	for range n {
		k, size := s.rng.IntN(300), s.rng.IntN(12000)
		if s.rng.IntN(5) == 0 {
			if err := s.do(db, "DELETE FROM t WHERE k = ?", k); err != nil {
				return err
			}
			delete(rows, k)
			continue
		}
		if err := s.do(db, "INSERT OR REPLACE INTO t VALUES (?, ?)", k, bytes.Repeat([]byte{byte(k)}, size)); err != nil {
			return err
		}
		rows[k] = size
	}
	return nil
}

// transact writes a transaction, which may have parts that are undone, or is
// undone as a whole, or changes nothing.
func (s *walStory) transact(db *sql.DB) error {
	if err := s.do(db, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	rows := maps.Clone(s.rows)
	for range s.rng.IntN(4) {
		part := maps.Clone(rows)
		err := s.do(db, "SAVEPOINT part")
		if err == nil {
			err = s.change(db, part, s.rng.IntN(60))
		}
		if err != nil {
			return err
		}
		if s.rng.IntN(3) == 0 {
			err = s.do(db, "ROLLBACK TO part")
		} else {
			rows = part
		}
		if err = errors.Join(err, s.do(db, "RELEASE part")); err != nil {
			return err
		}
	}
	if s.rng.IntN(4) == 0 {
		return s.do(db, "ROLLBACK")
	}
	if err := s.do(db, "COMMIT"); err != nil {
		return err
	}
	s.rows = rows
	s.commits++
	return nil
}

// transactInLittleRoom writes a transaction, and undoes it where files may not
// become so large.
func (s *walStory) transactInLittleRoom(db *sql.DB) {
	var old unix.Rlimit
	s.must(unix.Getrlimit(unix.RLIMIT_FSIZE, &old))
	info, err := os.Stat(s.path + "-wal")
	s.must(err)
	s.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: s.rng.Uint64N(uint64(info.Size()) + 100_000), Max: old.Max}))
	err = s.transact(db)
	s.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &old))
	if err == nil {
		return
	}
	if !passing(err) {
		s.t.Errorf("a transaction without room: %v", err)
	}
	s.failures++
	_ = s.do(db, "ROLLBACK") // where SQLite has not done so itself
}

// check compares what a connection finds.
func (s *walStory) check(db *sql.DB, who string) {
	s.t.Helper()
	found := make(map[int]int)
	err := scanAll(s.t.Context(), db, "SELECT k, length(v), v FROM t", func(scan func(...any) error) error {
		var k, size int
		var v []byte
		if err := scan(&k, &size, &v); err != nil {
			return err
		}
		if !bytes.Equal(v, bytes.Repeat([]byte{byte(k)}, size)) {
			s.t.Errorf("%s finds other bytes in row %d", who, k)
		}
		found[k] = size
		return nil
	})
	if err != nil {
		s.t.Fatalf("%s: %v", who, err)
	}
	if !maps.Equal(found, s.rows) {
		s.t.Fatalf("after %d commits %s finds %d rows %v, want %d rows %v", s.commits, who, len(found), found, len(s.rows), s.rows)
	}
	var said string
	if err := db.QueryRowContext(s.t.Context(), "PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		s.t.Fatalf("after %d commits %s finds damage: %s, %v", s.commits, who, said, err)
	}
}

// crash compares what is found after a crash at this moment.
func (s *walStory) crash() {
	copied := filepath.Join(s.t.TempDir(), "copy.db")
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(s.path + end)
		if err == nil {
			err = os.WriteFile(copied+end, data, 0o600)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if end != "" && len(data) > 24 && string(data[16:24]) != s.salt {
			s.salt = string(data[16:24])
			s.restarts++
		}
	}
	db, err := sql.Open("sqlite3", copied)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	s.check(db, "who opens it after a crash")
}

func TestGatheredWritesAreThoseOfSQLite(t *testing.T) {
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := walStory{t: t, rng: rand.New(rand.NewPCG(seed, 1)), path: filepath.Join(t.TempDir(), "w.db"), rows: make(map[int]int)}
			page := []int{512, 4096, 65536}[seed%3]
			// So few pages that a transaction is written to the log before its end,
			// and parts of it again.
			s.gathers = openWAL(t, s.path, fmt.Sprintf("vfs=bouncetail&_cache_size=%d", 10+s.rng.IntN(100)))
			s.must(s.do(s.gathers, fmt.Sprintf("PRAGMA journal_mode = DELETE; PRAGMA page_size = %d; VACUUM; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 500", page)))
			s.must(s.do(s.gathers, "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB NOT NULL)"))
			s.other = openWAL(t, s.path, "_busy_timeout=5000")
			for range 30 {
				switch s.rng.IntN(8) {
				case 0:
					s.must(s.transact(s.other))
				case 1:
					s.must(s.do(s.other, "PRAGMA wal_checkpoint(RESTART)"))
				case 2, 3:
					s.transactInLittleRoom(s.gathers)
				default:
					s.must(s.transact(s.gathers))
				}
				s.check(s.other, "another connection")
				s.crash()
			}
			s.check(s.gathers, "its own connection")
			if s.commits == 0 || s.failures == 0 || s.restarts < 2 {
				t.Errorf("a story of %d commits, %d without room, and %d beginnings of the log says little", s.commits, s.failures, s.restarts)
			}
			s.must(s.other.Close())
			s.must(s.gathers.Close())
			if _, err := os.Stat(s.path + "-wal"); !os.IsNotExist(err) {
				t.Errorf("the log is there after the last connection was closed: %v", err)
			}
		})
	}
}

// writes returns how many calls to write the process has made.
func writes(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "syscw: "); ok {
			if _, err := fmt.Sscan(rest, &n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

func TestAStoreGathersWhatItWrites(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the calls are counted by Linux")
	}
	s, path := openNew(t)
	before := writes(t)
	if _, err := s.db.ExecContext(t.Context(), "CREATE TABLE large AS SELECT zeroblob(1000000) AS v"); err != nil {
		t.Fatal(err)
	}
	n := writes(t) - before
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if pages := int(info.Size() / 4096); pages < 240 || n > pages/4 {
		t.Errorf("%d writes for a log of %d pages", n, pages)
	}
}
