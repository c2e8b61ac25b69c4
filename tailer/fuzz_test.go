package tailer

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/bouncetail/bouncetail/bounce"
)

// Everyone who may write to the directory of the log can put any archive there.
func FuzzArchive(f *testing.F) {
	const text = "Nov  3 12:57:36 mx postfix/smtp[7]: 4F1A2B3C4D: to=<a@example.com>\n"
	f.Add(packedBy(f, text, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }))
	f.Add(packedBy(f, text, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }))
	f.Add(packedBy(f, text, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }))
	f.Add([]byte("BZh91AY&SY"))
	f.Add([]byte(text))
	f.Fuzz(func(t *testing.T, packed []byte) {
		kind := kindOf(packed)
		r, end, err := decompress(bytes.NewReader(packed), kind)
		if err != nil {
			return
		}
		defer end()
		// A small archive may have very large content.
		got, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if kind == plain && (err != nil || !bytes.Equal(got, packed[:min(len(packed), 1<<20)])) {
			t.Errorf("what is no archive came back as %d bytes of %d, %v", len(got), len(packed), err)
		}
	})
}

// Any program can write to the journal.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"__CURSOR":"s=1;i=2","MESSAGE":"4F1A2B3C4D: removed","SYSLOG_IDENTIFIER":"postfix/qmgr"}` + "\n"))
	f.Add([]byte(`{"__CURSOR":"s=1;i=3","MESSAGE":[27,91,50,74]}` + "\n" + `{"__CURSOR":7}` + "\n"))
	f.Add([]byte("{\n\n}"))
	f.Fuzz(func(t *testing.T, said []byte) {
		const limit = 4096
		out := make(chan bounce.Chunk)
		sent := make(chan error, 1)
		j := &Journal{MaxLine: limit}
		go func() {
			sent <- j.send(context.Background(), bytes.NewReader(said), out)
			close(out)
		}()
		for c := range out {
			for line := range strings.Lines(c.Data) {
				if len(line) > limit || !bytes.Contains(said, []byte(line)) {
					t.Errorf("a line that was not said, or is too long: %.80q", line)
				}
			}
			if c.Position.Cursor == "" {
				t.Error("lines were sent without a position behind them")
			}
		}
		if err := <-sent; err != nil && !errors.Is(err, errForeign) {
			t.Errorf("send: %v", err)
		}
	})
}
