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

// arrayWriter writes one array, with one object per line, between a head and an end. It
// writes the head with the first row.
type arrayWriter struct {
	w         io.Writer
	lines     Writer
	head, end string
	any       bool
}

func newJSON(w io.Writer, o Options) Writer {
	return &arrayWriter{w: w, lines: newNDJSON(w, o), head: "[", end: "]\n"}
}

func (a *arrayWriter) Write(r *bounce.Recipient) error {
	between := ","
	if !a.any {
		between = a.head
	}
	a.any = true
	if _, err := io.WriteString(a.w, between); err != nil {
		return err
	}
	return a.lines.Write(r)
}

func (a *arrayWriter) Close() error {
	end := a.end
	if !a.any {
		end = a.head + end
	}
	_, err := io.WriteString(a.w, end)
	return err
}
