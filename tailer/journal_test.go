package tailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
)

// fakeJournal puts a journalctl into PATH that prints the entries of a file, from
// that of --cursor on, and follows by waiting until it is killed.
func fakeJournal(t *testing.T, entries ...int) {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	for _, n := range entries {
		text.WriteString(journalEntry(n))
	}
	if err := os.WriteFile(filepath.Join(dir, "entries"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `#!/bin/sh
for a; do case $a in
--cursor=*) cursor=${a#--cursor=} ;;
--follow) follow=1 ;;
--lines=1) exec tail -n 1 ` + dir + `/entries ;;
esac; done
if grep -q "\"$cursor\"" ` + dir + `/entries && [ -n "$cursor" ]
then sed -n "/\"$cursor\"/,\$p" ` + dir + `/entries
else cat ` + dir + `/entries
fi
[ -z "$follow" ] || exec sleep 1000
`
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func journalEntry(n int) string { return fmt.Sprintf(`{"__CURSOR":"s=%03d","MESSAGE":"m"}`, n) + "\n" }

// followJournal lets j run until it has sent some entries and nothing more comes.
func followJournal(t *testing.T, j *Journal, entries int) (chunks []bounce.Chunk, sent []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx, out) }()
	timeout := time.After(time.Minute)
	for len(sent) < entries {
		select {
		case c := <-out:
			chunks = append(chunks, c)
			sent = append(sent, slices.Collect(strings.Lines(c.Data))...)
		case <-timeout:
			t.Fatalf("%d of %d entries were sent within a minute", len(sent), entries)
		}
	}
	cancel()
	<-done
	return chunks, sent
}

func TestJournalContinuesBehindItsCursor(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	fakeJournal(t, 1, 2, 3)
	chunks, sent := followJournal(t, &Journal{Index: 4, Log: log}, 3)
	if want := []string{journalEntry(1), journalEntry(2), journalEntry(3)}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
	last := chunks[len(chunks)-1]
	if last.Position.Cursor != "s=003" || last.Position.Stream != journalStream || last.SourceIndex != 4 {
		t.Errorf("the last chunk has position %+v of source %d", last.Position, last.SourceIndex)
	}

	fakeJournal(t, 2, 3, 4, 5)
	chunks, sent = followJournal(t, &Journal{Log: log, Positions: []bounce.Position{last.Position}}, 2)
	if want := []string{journalEntry(4), journalEntry(5)}; !slices.Equal(sent, want) {
		t.Errorf("sent %q after a restart, want %q", sent, want)
	}
	if gaps := chunks[0].Gaps; len(gaps) > 0 {
		t.Errorf("gaps %+v, want none", gaps)
	}

	// The journal was made smaller, and no longer holds the entry.
	fakeJournal(t, 7, 8)
	chunks, sent = followJournal(t, &Journal{Log: log, Positions: []bounce.Position{last.Position}}, 2)
	if want := []string{journalEntry(7), journalEntry(8)}; !slices.Equal(sent, want) {
		t.Errorf("sent %q from a smaller journal, want %q", sent, want)
	}
	if gaps := chunks[0].Gaps; len(gaps) != 1 || gaps[0].Bytes != -1 {
		t.Errorf("gaps %+v, want one of unknown size", gaps)
	}
}

func TestJournalStartsAtItsEnd(t *testing.T) {
	fakeJournal(t, 1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() { done <- (&Journal{Log: slog.New(slog.DiscardHandler), FromEnd: true}).Run(ctx, out) }()
	if c := <-out; c.Data != "" || c.Position.Cursor != "s=002" {
		t.Errorf("the first chunk is %q at %q, want only the position of the last entry", c.Data, c.Position.Cursor)
	}
	cancel()
	<-done
}

// brokenJournal puts a journalctl into PATH that is a script.
func brokenJournal(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// Each journalctl is reported, and a stop does not wait for it.
func TestABrokenJournalctlIsReported(t *testing.T) {
	for name, c := range map[string]struct{ script, want, wantNot string }{
		"a process that it started hangs": {"sleep 1000; true", "runs and prints nothing", ""},
		"it ends at once":                 {"exit 0", "journalctl --follow ended by itself, at once", ""},
		"it prints something else":        {"echo 'Hint: see the manual'", `printed "Hint: see the manual", which is no entry`, ""},
		"it is killed":                    {"kill -9 $$", "signal: killed", "systemd-journal"},
		"it may not read":                 {"echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1", "a member of the group systemd-journal", ""},
	} {
		t.Run(name, func(t *testing.T) {
			brokenJournal(t, c.script)
			retrying := &health.Retrying{}
			j := &Journal{Log: slog.New(slog.DiscardHandler), Retrying: retrying, silentFor: 50 * time.Millisecond}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- j.Run(ctx, make(chan bounce.Chunk)) }()
			for begun := time.Now(); !strings.Contains(retrying.String(), c.want); {
				if time.Since(begun) > time.Minute {
					t.Fatalf("reported is %q, want %q", retrying, c.want)
				}
				time.Sleep(10 * time.Millisecond) // there is no event to wait for
			}
			if c.wantNot != "" && strings.Contains(retrying.String(), c.wantNot) {
				t.Errorf("reported is %q, want it without %q", retrying, c.wantNot)
			}
			cancel()
			select {
			case <-done:
			case <-time.After(time.Minute):
				t.Error("it did not stop")
			}
		})
	}
}

// What is no entry does not take those with it that came together with it.
func TestEntriesBesideForeignLinesAreSent(t *testing.T) {
	brokenJournal(t, "printf '%s\\n%s\\ngarbage\\n' '"+strings.TrimSpace(journalEntry(1))+"' '"+strings.TrimSpace(journalEntry(2))+"'; sleep 1000")
	_, sent := followJournal(t, &Journal{Log: slog.New(slog.DiscardHandler)}, 2)
	if want := []string{journalEntry(1), journalEntry(2)}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

// What is no entry does not hide that the entry which was read last is gone.
func TestAGapBehindAForeignLineIsReported(t *testing.T) {
	j := &Journal{Log: slog.New(slog.DiscardHandler), MaxLine: 1 << 20, wasRead: true, position: bounce.Position{Cursor: "gone"}}
	out := make(chan bounce.Chunk, 10)
	if err := j.send(t.Context(), strings.NewReader("garbage\n"+journalEntry(1)), out); !errors.Is(err, errForeign) && err != nil {
		t.Fatal(err)
	}
	close(out)
	gaps := 0
	for chunk := range out {
		gaps += len(chunk.Gaps)
	}
	if gaps != 1 {
		t.Errorf("%d gaps were reported, want 1", gaps)
	}
}
