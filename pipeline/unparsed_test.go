package pipeline_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/pipeline"
)

// unreadable is a parser that parses no line.
type unreadable struct {
	noParser
	refused bool
}

func (p unreadable) TakeUnparsed() []bounce.Unparsed {
	return []bounce.Unparsed{{MTA: bounce.Postfix, Shape: "#: to=jane, dsn=#", Lines: make([]bounce.EventID, 2), Example: "to=<jane@example.com>", Refused: p.refused}}
}

func TestUnparsedLinesAreLoggedOnceWithoutAddresses(t *testing.T) {
	for refused, want := range map[bool]string{false: "delivery lines not parsed", true: "journal entries refused"} {
		var said bytes.Buffer
		lines := make(chan bounce.Chunk)
		p := following(lines, &txStore{add: func(*bounce.Batch) error { return nil }})
		p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) {
			return unreadable{refused: refused}, nil
		}
		p.Log = slog.New(slog.NewTextHandler(&said, nil))
		go func() {
			for range 3 {
				lines <- bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1, Path: "/var/log/mail.log"}}
			}
			close(lines)
		}()
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(said.String(), want); n != 1 || strings.Contains(said.String(), "jane") {
			t.Errorf("%q was logged %d times, want once and without an address:\n%s", want, n, &said)
		}
	}
}

// foreign is a parser of a log without lines of a mail server.
type foreign struct{ noParser }

func (foreign) Foreign() bool { return true }

func TestALogWithoutAMailServerIsLoggedOnce(t *testing.T) {
	var said bytes.Buffer
	lines := make(chan bounce.Chunk)
	p := following(lines, &txStore{add: func(*bounce.Batch) error { return nil }})
	p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return foreign{}, nil }
	p.Log = slog.New(slog.NewTextHandler(&said, nil))
	go func() {
		for range 3 {
			lines <- bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1, Path: "/var/log/dovecot.log"}}
		}
		close(lines)
	}()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(said.String(), "no line of a mail server"); n != 1 || !strings.Contains(said.String(), "/var/log/dovecot.log") {
		t.Errorf("logged %d times, want once with the path:\n%s", n, &said)
	}
}
