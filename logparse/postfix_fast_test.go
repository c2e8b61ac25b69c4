package logparse

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/bouncetail/bouncetail/bounce"
)

// agree holds the plain reading of a body against the grammar. Of a line that
// no Postfix writes, the plain reading may make something where the grammar
// makes nothing.
func agree(t *testing.T, body []byte, real bool) (plain bool) {
	t.Helper()
	colon := bytes.Index(body[:min(len(body), 26)], []byte(": "))
	if colon < 5 {
		return false
	}
	var fast, slow bounce.Event
	fast.MTA, slow.MTA = bounce.Postfix, bounce.Postfix
	if !plainPostfix(body, colon, &fast) {
		return false
	}
	if got := parsePostfixByGrammar(&header{body: body}, colon, &slow); got == read && fast != slow || real && got != read {
		t.Errorf("%s\nplain:   %+v\ngrammar: %+v (%d)", body, fast, slow, got)
	}
	return true
}

func TestPlainReadingAgreesWithTheGrammar(t *testing.T) {
	logs, err := filepath.Glob("../testdata/logs/postfix/*/mail*.gz")
	if err != nil || len(logs) == 0 {
		t.Fatalf("%q, %v", logs, err)
	}
	plain := 0
	for _, path := range logs {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		for line := range bytes.Lines(text) {
			var h header
			if cutHeader(bytes.TrimSuffix(line, []byte("\n")), &h) && claimsPostfix(&h) && agree(t, h.body, true) {
				plain++
			}
		}
	}
	if plain < 3000 {
		t.Errorf("%d lines were read plainly, want thousands", plain)
	}
}

func FuzzPlainReading(f *testing.F) {
	for _, body := range []string{
		"4XabcZ1y2z: to=<a@b.example>, orig_to=<info>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
		"4XabcZ1y2z: from=<news@a.example>, size=447, nrcpt=1 (queue active)",
		"4XabcZ1y2z: message-id=<1@a.example>", "4XabcZ1y2z: removed",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.IndexByte(body, '\n') < 0 {
			agree(t, body, false)
		}
	})
}
