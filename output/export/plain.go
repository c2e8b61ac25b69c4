package export

import (
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// plainWriter writes one address a line. phpList's suppression list takes that
// (https://www.phplist.com/knowledgebase/blacklisting-subscribers/ tells what it
// does), and so do Rspamd's maps (https://docs.rspamd.com/modules/multimap).
type plainWriter struct{ w io.Writer }

func newPlain(w io.Writer, _ Options) Writer { return plainWriter{w} }

func (p plainWriter) Write(r *bounce.Recipient) error {
	_, err := io.WriteString(p.w, r.Recipient+"\n")
	return err
}

func (p plainWriter) Close() error { return nil }
