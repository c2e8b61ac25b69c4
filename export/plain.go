package export

import (
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// plainWriter writes one address a line.
type plainWriter struct{ w io.Writer }

func newPlain(w io.Writer) Writer { return plainWriter{w} }

func (p plainWriter) Write(r *bounce.Recipient) error {
	_, err := io.WriteString(p.w, r.Recipient+"\n")
	return err
}

func (p plainWriter) Close() error { return nil }
