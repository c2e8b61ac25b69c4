package tailer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestALogReplacedWhileTheDaemonWasDownIsAGap(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  string // what the new file holds
		down func(f *followed)
		gaps []int64
	}{
		{"by an empty file", "", nil, []int64{-1}},
		{"by a file with lines", "new\n", nil, []int64{-1}},
		{"but it was renamed", "new\n", func(f *followed) { f.rename("old", "mail.log.1") }, nil},
		{"but it was renamed and compressed", "new\n", func(f *followed) {
			text, err := os.ReadFile(filepath.Join(f.dir, "old"))
			f.check(err)
			f.write("mail.log.1.gz", string(pack(f.t, string(text))))
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := movedWhileDown(t)
			if tt.down != nil {
				tt.down(f)
			}
			f.write("mail.log", tt.log)
			f.start()
			f.wantGaps(tt.gaps...)
			f.restart()
			f.wantGaps(tt.gaps...) // it is reported once
			if tt.log == "" {
				f.want("first")
			} else {
				f.want("first", "new")
			}
		})
	}
}

// movedWhileDown returns a daemon that is down since it read a log with the line first,
// which is now called old.
func movedWhileDown(t *testing.T) *followed {
	t.Helper()
	f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
	f.write("mail.log", "first\n")
	f.start()
	f.scan()
	f.kill()
	f.now = f.now.Add(time.Hour)
	f.rename("mail.log", "old")
	return f
}

// A gap is reported a minute after it was noticed. A daemon that is stopped before
// that reports it after its next start.
func TestAGapIsReportedAfterAnEarlyRestart(t *testing.T) {
	f := movedWhileDown(t)
	f.write("mail.log", "new\n")
	f.start()
	f.scan()
	f.kill()
	f.now = f.now.Add(time.Second)
	f.write("mail.log", "more\n")
	f.start()
	f.wantGaps(-1)
	f.restart()
	f.wantGaps(-1)
	f.want("first", "new", "more")
}

// logrotate deletes the oldest log, and the file that is created next often gets
// its inode.
func TestAnExpiredLogIsNotAGap(t *testing.T) {
	for _, size := range []string{"", "new\n"} {
		f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
		f.write("mail.log", "first\n")
		f.start()
		f.scan()
		f.rename("mail.log", "mail.log.1")
		f.scan()
		f.now = f.now.Add(time.Minute)
		f.scan()
		f.kill()
		f.now = f.now.Add(time.Hour)
		f.rename("mail.log.1", "mail.log") // as a new file with the same inode
		f.check(os.Truncate(f.path, 0))
		f.write("mail.log", size)
		f.start()
		f.wantGaps()
	}
}

func TestALogThatIsDeletedIsReadToItsEnd(t *testing.T) {
	f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
	f.write("mail.log", "first\n")
	f.start()
	f.scan()
	f.write("mail.log", "second\n")
	f.remove("mail.log")
	f.write("mail.log", "third\n")
	f.scan()
	f.wantGaps()
	f.want("first", "second", "third")
}

// Between two scans, a log is truncated, written again and deleted.
func TestALogThatIsDeletedAfterATruncationIsReadToItsEnd(t *testing.T) {
	for _, now := range []string{"2nd\n", "again\n", "a longer second line\n"} {
		for _, unread := range []string{"", "not the whole line"} {
			f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
			f.write("mail.log", "first\n"+unread)
			f.start()
			f.scan()
			f.check(os.Truncate(f.path, 0))
			f.write("mail.log", now)
			f.remove("mail.log")
			f.scan()
			f.write("mail.log", "in the next log\n")
			if f.scan(); unread == "" {
				f.wantGaps()
			} else {
				f.wantGaps(int64(len(unread)))
			}
			f.want("first", strings.TrimSuffix(now, "\n"), "in the next log")
			f.restart()
			f.scan()
			f.want("first", strings.TrimSuffix(now, "\n"), "in the next log")
		}
	}
}

// What was written after the truncation is appended to the deleted file later.
func TestALogThatIsTruncatedDeletedAndThenWrittenIsRead(t *testing.T) {
	f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
	f.write("mail.log", "first\n")
	f.start()
	f.scan()
	writer, err := os.OpenFile(f.path, os.O_APPEND|os.O_WRONLY, 0)
	f.check(err)
	defer writer.Close()
	f.check(os.Truncate(f.path, 0))
	f.remove("mail.log")
	f.scan()
	_, err = writer.WriteString("late\n")
	f.check(err)
	f.scan()
	f.wantGaps()
	f.want("first", "late")
}

// What was known and not read is gone.
func TestALogThatIsTruncatedAndDeletedIsAGap(t *testing.T) {
	f := newFollowed(t, filepath.Join(t.TempDir(), "*.log"))
	f.write("a.log", "first\nnot the whole line")
	f.write("b.log", "other\n")
	f.start()
	f.scan()
	f.check(os.Truncate(filepath.Join(f.dir, "a.log"), 0))
	f.remove("a.log")
	f.scan()
	f.now = f.now.Add(writerGrace)
	f.wantGaps(int64(len("not the whole line")))
	f.want("first", "other")
}

// A file that is not held open cannot be read after it was deleted.
func TestADeletedLogThatIsNotHeldOpenIsAGap(t *testing.T) {
	for _, half := range []bool{false, true} {
		f := newFollowed(t, filepath.Join(t.TempDir(), "*.log"))
		f.options.MaxHeld = -1
		f.write("a.log", "first\n")
		f.write("b.log", "other\n")
		if half {
			f.write("a.log", "not the whole line")
		}
		f.start()
		f.scan()
		f.remove("a.log")
		f.scan()
		f.want("first", "other")
		if half {
			f.wantGaps(int64(len("not the whole line")))
		} else {
			f.wantGaps()
		}
	}
}

// An archive that gets the inode of a deleted one, and begins like it, is not taken
// for it: its lines are read.
func TestAnArchiveWithTheInodeOfAnotherIsRead(t *testing.T) {
	f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
	begin := strings.Repeat("every file begins with this line\n", 40) // more than the window that is compared
	f.write("mail.log", "live\n")
	f.write("mail.log.2.gz", string(pack(t, begin+"first\n")))
	f.start()
	f.scan()
	f.kill()
	f.now = f.now.Add(time.Hour)
	f.check(os.Truncate(filepath.Join(f.dir, "mail.log.2.gz"), 0)) // the same inode in any file system
	f.write("mail.log.2.gz", string(pack(t, begin+"second\n")))
	f.start()
	f.lines = nil
	f.scan()
	if !slices.Contains(f.lines, "second") {
		t.Errorf("read %d lines, want the second archive's", len(f.lines))
	}
}
