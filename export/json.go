package export

import (
	"encoding/json"
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// ndjsonWriter writes one object a line.
type ndjsonWriter struct{ enc *json.Encoder }

func newNDJSON(w io.Writer) Writer {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return ndjsonWriter{enc}
}

func (n ndjsonWriter) Write(r *bounce.Recipient) error { return n.enc.Encode(r) }

func (n ndjsonWriter) Close() error { return nil }

// jsonWriter writes one array, an object a line.
type jsonWriter struct {
	w     io.Writer
	lines Writer
	any   bool
}

func newJSON(w io.Writer) Writer { return &jsonWriter{w: w, lines: newNDJSON(w)} }

func (j *jsonWriter) Write(r *bounce.Recipient) error {
	between := ","
	if !j.any {
		between = "["
	}
	j.any = true
	if _, err := io.WriteString(j.w, between); err != nil {
		return err
	}
	return j.lines.Write(r)
}

func (j *jsonWriter) Close() error {
	end := "]\n"
	if !j.any {
		end = "[]\n"
	}
	_, err := io.WriteString(j.w, end)
	return err
}
