package export

import (
	"encoding/json"
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// ndjsonWriter writes one object per line.
type ndjsonWriter struct {
	enc     *json.Encoder
	columns []column // empty: all of the table recipients
}

func newNDJSON(w io.Writer, o Options) Writer {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return ndjsonWriter{enc, chosen(o.Columns, nil)}
}

func (n ndjsonWriter) Write(r *bounce.Recipient) error {
	if len(n.columns) == 0 {
		return n.enc.Encode(r)
	}
	line, err := object(r, n.columns)
	if err != nil {
		return err
	}
	return n.enc.Encode(line)
}

func (n ndjsonWriter) Close() error { return nil }

// arrayWriter writes one array, with one object per line, and then an end.
type arrayWriter struct {
	w     io.Writer
	lines Writer
	end   string
	any   bool
}

func newJSON(w io.Writer, o Options) Writer {
	return newArray(w, newNDJSON(w, o), "[", "]\n")
}

// newArray writes the head, to which the array belongs.
func newArray(w io.Writer, lines Writer, head, end string) Writer {
	_, _ = io.WriteString(w, head) // into the buffer of File
	return &arrayWriter{w: w, lines: lines, end: end}
}

func (a *arrayWriter) Write(r *bounce.Recipient) error {
	if a.any {
		if _, err := io.WriteString(a.w, ","); err != nil {
			return err
		}
	}
	a.any = true
	return a.lines.Write(r)
}

func (a *arrayWriter) Close() error {
	_, err := io.WriteString(a.w, a.end)
	return err
}
