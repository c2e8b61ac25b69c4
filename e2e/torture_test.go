package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// tortured is a daemon that follows a log while the log is rotated and the daemon is
// killed. In the end its database must equal that of an import of every line.
type tortured struct {
	*mailLog
	db   string
	args []string
	as   *syscall.Credential // the user of the daemon; nil is our own
	d    *daemon
	next int // messages that bounced
	sent int // recipients that were reached
	rand *rand.Rand
	big  bool // make torture: more of everything
}

func torture(t *testing.T, seed uint64, args ...string) *tortured {
	x := &tortured{mailLog: newMailLog(t), db: filepath.Join(t.TempDir(), "b.db"), args: args, rand: rand.New(rand.NewPCG(seed, 7))}
	if len(args) == 0 {
		x.args = []string{x.path}
	}
	return x
}

func (x *tortured) start() { x.d = startAs(x.t, x.as, append([]string{"--db", x.db}, x.args...)...) }

// bounces writes messages that bounce, each with its own queue ID. One in ten reaches
// another recipient. Sender and message-id are in lines before the failure, so records
// lack them if lines are read out of order.
func (x *tortured) bounces(n int) {
	for range n {
		x.next++
		id := fmt.Sprintf("4A%06X", x.next)
		x.accept(id)
		if x.next%10 == 0 {
			x.sent++
			x.write("smtp[13]: %[1]s: to=<r%[1]s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 OK)", id)
		}
		x.bounce(id)
	}
}

// verify waits until all records are stored, stops the daemon, and compares.
func (x *tortured) verify() {
	x.t.Helper()
	eventually(x.t, x.db, countBounces, strconv.Itoa(x.next))
	x.d.stop()
	whole := filepath.Join(x.t.TempDir(), "whole.log")
	x.check(os.WriteFile(whole, []byte(x.all.String()), 0o600))
	once := filepath.Join(x.t.TempDir(), "once.db")
	run(x.t, "import", "--db", once, whole)
	const records = "SELECT event_id, occurred_at, recipient, ifnull(sender, '?'), ifnull(message_id, '?'), queue_id, host, outcome, dsn, smtp_code, reply, rule FROM bounces ORDER BY event_id"
	got, want := query(x.t, x.db, records), query(x.t, once, records)
	lost, invented := 0, 0
	for _, id := range want {
		if _, found := slices.BinarySearch(got, id); !found {
			if lost == 0 {
				x.t.Logf("lost, or read differently: %s", id)
			}
			lost++
		}
	}
	for _, id := range got {
		if _, found := slices.BinarySearch(want, id); !found {
			invented++
		}
	}
	doubled := len(got) - len(slices.Compact(slices.Clone(got)))
	if lost+doubled+invented > 0 || len(want) != x.next {
		x.t.Errorf("of %d: %d lost, %d duplicated, %d invented", x.next, lost, doubled, invented)
	}
	// The metrics, the windows and the sums by day are exact too, through crashes and
	// whatever was read twice.
	sent, bounced, all := strconv.Itoa(x.sent), strconv.Itoa(x.next), strconv.Itoa(x.sent+x.next)
	for _, c := range []struct{ what, sum, want string }{
		{"sent mail in the metrics", attemptsOf("sent"), sent},
		{"bounces in the metrics", attemptsOf("bounced"), bounced},
		{"attempts in the metrics", attemptsOf(""), all},
		{"failures in the metrics", "SELECT coalesce(sum(value), 0) FROM metric_totals WHERE name IN ('failures', 'imported_failures')", bounced},
		{"provider_windows", "SELECT coalesce(sum(sent), 0) || ' ' || coalesce(sum(deferred + bounced + expired), 0) FROM provider_windows", sent + " " + bounced},
		{"daily_counts", "SELECT coalesce(sum(sent), 0) || ' ' || coalesce(sum(deferred + bounced + expired), 0) FROM daily_counts", sent + " " + bounced},
		{"daily_reasons", "SELECT coalesce(sum(failures), 0) FROM daily_reasons", bounced},
	} {
		if got := query(x.t, x.db, c.sum); !slices.Equal(got, []string{c.want}) {
			x.t.Errorf("%s: %q, want %s", c.what, got, c.want)
		}
	}
	if gaps := query(x.t, x.db, "SELECT * FROM gaps"); len(gaps) > 0 {
		x.t.Errorf("gaps although nothing was destroyed: %q", gaps)
	}
	x.t.Logf("of %d: %d lost, %d duplicated, %d invented", x.next, lost, doubled, invented)
}

// attemptsOf is a query for the attempts with an outcome that the metrics count.
func attemptsOf(outcome string) string {
	return `SELECT coalesce(sum(value), 0) FROM metric_totals WHERE name IN ('attempts', 'imported_attempts') AND labels LIKE 'outcome="` + outcome + `%'`
}

// rename renames the log. The writer keeps the old file open.
func (x *tortured) rename(to string) *os.File {
	x.check(os.Rename(x.path, to))
	return x.f
}

// shift renames the rotated logs, so that mail.log.1 is free.
func (x *tortured) shift() {
	for i := 80; i > 0; i-- {
		for _, end := range []string{"", ".gz"} {
			if from := fmt.Sprintf("%s.%d%s", x.path, i, end); exists(from) {
				x.check(os.Rename(from, fmt.Sprintf("%s.%d%s", x.path, i+1, end)))
			}
		}
	}
}

func inode(path string) uint64 {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return 0
	}
	return st.Ino
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// copyTruncate copies and truncates the log as logrotate does. Nothing is written between
// the copy and the truncation, because that would be destroyed.
func (x *tortured) copyTruncate(pause time.Duration, keep bool) {
	x.shift()
	text, err := os.ReadFile(x.path)
	x.check(err)
	if keep {
		x.check(os.WriteFile(x.path+".1", text[:len(text)/2], 0o600))
		time.Sleep(pause) // a slow copy
		x.check(os.WriteFile(x.path+".1", text, 0o600))
	}
	x.check(x.f.Truncate(0))
}

// many returns a number of repetitions, larger in make torture.
func (x *tortured) many(few, more int) int {
	if x.big {
		return more
	}
	return few
}

// seen waits until the daemon has stored all failures.
func (x *tortured) seen() { eventually(x.t, x.db, countBounces, strconv.Itoa(x.next)) }

// The scenarios, each in a file torture_*_test.go, broke other programs that follow logs.
// In none of them may records be lost, duplicated or invented.
func TestTorture(t *testing.T) {
	rounds := numberIn(t, "BOUNCETAIL_TEST_ROUNDS", 1)
	type scenario struct {
		name string
		run  func(*tortured)
	}
	scenarios := []scenario{
		{"plain", torturePlain},
		{"the log appears later", tortureLogAppearsLater},
		{"many lines before the start", tortureManyLinesBeforeStart},
		{"renamed while the writer keeps the old descriptor", tortureRenamedWhileWriterKeepsOld},
		{"renamed and not created for a while", tortureRenamedNotCreatedWhile},
		{"delaycompress, five kept", tortureDelaycompressFiveKept},
		{"dateext with immediate gzip", tortureDateextWithImmediateGzip},
		{"copytruncate with a slow copy", tortureCopytruncateWithSlowCopy},
		{"truncated and grown past the old size in one write", tortureTruncatedGrownPastOldSize},
		{"copytruncate without a copy, of what was read", tortureCopytruncateWithoutCopyRead},
		{"lines in fragments, across renames", tortureLinesFragmentsAcrossRenames},
		{"kill -9", tortureKill9},
		{"kill -9 across renames", tortureKill9AcrossRenames},
		{"kill -9 across copytruncates", tortureKill9AcrossCopytruncates},
		{"down over four rotations, archives among them", tortureDownOverFourRotationsArchives},
		{"down over rotations to dated names, packed at once", tortureDownOverRotationsDatedNames},
		{"down over a copytruncate", tortureDownOverCopytruncate},
		{"an inode used again", tortureInodeUsedAgain},
		{"writes to the old file 8 s later", tortureWritesOldFile8S},
		{"unreadable for a second after each rotation", tortureUnreadableSecondAfterEachRotation},
		{"two identical lines", tortureTwoIdenticalLines},
		{"down over a truncation and regrowth", tortureDownOverTruncationRegrowth},
		{"every file begins with the same bytes", tortureEveryFileBeginsWithSame},
		{"stopped over three rotations", tortureStoppedOverThreeRotations},
		{"rotated while a backlog is read", tortureRotatedWhileBacklogRead},
		{"a very long line and NULs", tortureVeryLongLineNULs},
		{"CRLF, empty lines, bytes that are no text", tortureCRLFEmptyLinesBytesNo},
		{"rotations 20 ms apart", tortureRotations20MsApart},
		{"messages that begin in one file and fail in the next", tortureMessagesBeginOneFileFail},
		{"a symlink that is switched", tortureSymlinkSwitched},
		{"empty logs rotated", tortureEmptyLogsRotated},
		{"the directory goes and comes back", tortureDirectoryGoesComesBack},
		{"the directory comes late", tortureDirectoryComesLate},
		{"the write lock is held, then a reader", tortureWriteLockHeldThenReader},
		{"VACUUM INTO and .backup meanwhile", tortureVACUUMINTOBackupMeanwhile},
		{"killed in the very first scan", tortureKilledVeryFirstScan},
		{"SIGTERM in a backlog", tortureSIGTERMBacklog},
		{"a random mix", tortureRandomMix},
		{"a small disk, 8 MB", smallDisk(8, false)},
		{"a small disk, 12 MB, database old", smallDisk(12, true)},
		{"a full disk, 8 MB", fullDisk(8, false)},
		{"a full disk, 12 MB, database old", fullDisk(12, true)},
	}
	if rounds > 1 {
		scenarios = append(scenarios, []scenario{
			{"a small disk, 20 MB", smallDisk(20, false)},
			{"a small disk, 35 MB, database old", smallDisk(35, true)},
			{"a small disk, 50 MB", smallDisk(50, false)},
			{"a small disk, 60 MB, database old", smallDisk(60, true)},
			{"a full disk, 30 MB", fullDisk(30, false)},
			{"a full disk, 60 MB, database old", fullDisk(60, true)},
		}...)
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for round := range rounds {
				x := torture(t, uint64(round))
				x.big = rounds > 1
				s.run(x)
				x.verify()
			}
		})
	}
}
