package logparse

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/bouncetail/bouncetail/bounce"
)

// The logs have the usual lines of their server in the usual forms of header, so that
// this measures the ways without expressions.
func BenchmarkLog(b *testing.B) {
	for _, log := range []string{
		"postfix/main/mail.log", "postfix/multi/mail.rfc3339.log", "postfix/multi/mail.rfc5424.log",
		"exim/main/mainlog", "exim/syslog/mail.log", "sendmail/main/mail.log", "opensmtpd/main/mail.log",
	} {
		b.Run(log, func(b *testing.B) {
			text := unzip(b, "../testdata/logs/"+log+".gz")
			p, err := New(Options{})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				p.Parse(text, func(*bounce.Event) {})
				p.TakeUnparsed()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*strings.Count(text, "\n")), "ns/line")
		})
	}
}

func unzip(tb testing.TB, path string) string {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
