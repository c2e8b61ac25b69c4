package export

import (
	"io"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// plainWriter writes one line for each address: the address itself for phpList's
// suppression list (https://www.phplist.com/knowledgebase/blacklisting-subscribers/)
// and Rspamd's maps (https://docs.rspamd.com/modules/multimap).
type plainWriter struct {
	w    io.Writer
	line func(address string) string
}

func newPlain(w io.Writer, _ Options) Writer {
	return plainWriter{w, func(address string) string { return address }}
}

// newMailcow writes the lines of a multimap with `regexp = true`, such as
// mailcow's global_rcpt_blacklist.map. An unescaped address would also match longer
// addresses, and its + and . are operators.
// https://docs.mailcow.email/manual-guides/Rspamd/u_e-rspamd/
func newMailcow(w io.Writer, _ Options) Writer { return plainWriter{w, anchored} }

// anchored returns a regular expression that matches this address alone, in
// either case.
func anchored(address string) string {
	var b strings.Builder
	b.WriteString("/^")
	for _, r := range address {
		// RE2, PCRE and Hyperscan take a backslash before any ASCII punctuation.
		if r < 0x80 && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_') {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteString("$/i")
	return b.String()
}

func (p plainWriter) Write(r *bounce.Recipient) error {
	_, err := io.WriteString(p.w, p.line(r.Recipient)+"\n")
	return err
}

func (p plainWriter) Close() error { return nil }
