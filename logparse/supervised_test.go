package logparse_test

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/logparse"
)

func TestOutputOfSupervisor(t *testing.T) {
	const delivery = "postfix/smtp[474]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n"
	for _, tt := range []struct{ log, want string }{
		{"2026-11-23 12:57:36,123 DEBG 'postfix' stdout output:\npostfix/qmgr[5]: 4f1XyZabcd: from=<n@a.example>, size=1, nrcpt=1 (queue active)\n" + delivery, "2026-11-23 12:57:36.123"},
		{"2026-11-23 12:57:36,123 DEBG 'postfix' stderr output:\n" + strings.TrimPrefix(delivery, "postfix/smtp[474]: "), "2026-11-23 12:57:36.123"},
		{"mail-1  | 2026-11-23 12:57:36,123 DEBG 'postfix' stdout output:\nmail-1  | " + delivery, "2026-11-23 12:57:36.123"},
		{"2026-11-23 12:57:36,123 DEBG 'postfix' stdout output:\nNov 23 12:57:30 mx " + delivery, "2026-11-23 12:57:30"},
		{"2026-11-23 12:57:36,123 DEBG 'rspamd' stdout output:\n" + delivery, ""},
		{"2026-11-23 12:57:36,123 DEBG 'postfix' stdout output:\n2026-11-23 12:57:37,123 DEBG 'rspamd' stdout output:\n" + delivery, ""},
		{"2026-11-23 12:57:36,123 DEBG 'postfix' stdout output:\nsaid " + delivery, ""},
		{"x DEBG 'postfix' stdout output:\n" + delivery, ""},
	} {
		for _, restart := range []bool{false, true} {
			p := newParser(t, "")
			first, rest, _ := strings.Cut(tt.log, "\n")
			all := events(p, first+"\n")
			if restart {
				next, err := logparse.New(logparse.Options{State: p.State()})
				if err != nil {
					t.Fatal(err)
				}
				p = next
			}
			all = append(all, events(p, rest)...)
			got := ""
			for _, ev := range all {
				if ev.Recipient != "" {
					got = ev.At.Format("2006-01-02 15:04:05.999")
				}
			}
			if got != tt.want {
				t.Errorf("%s\n got %q, want %q, counted %d", tt.log, got, tt.want, p.Counts().Unparsed)
			}
		}
	}
}
