package export

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// csvColumns are the columns of the table recipients, and behind them the reply
// that decided.
var csvColumns = []struct {
	name  string
	value func(*bounce.Recipient) string
}{
	{"recipient", func(r *bounce.Recipient) string { return r.Recipient }},
	{"domain", func(r *bounce.Recipient) string { return r.Domain }},
	{"state", func(r *bounce.Recipient) string { return string(r.State) }},
	{"decided_by", func(r *bounce.Recipient) string { return string(r.DecidedBy) }},
	{"category", func(r *bounce.Recipient) string { return string(r.Category) }},
	{"reason", func(r *bounce.Recipient) string { return string(r.Reason) }},
	{"first_failure_at", func(r *bounce.Recipient) string { return r.FirstFailureAt }},
	{"last_failure_at", func(r *bounce.Recipient) string { return r.LastFailureAt }},
	{"last_delivery_at", func(r *bounce.Recipient) string { return optional(r.LastDeliveryAt) }},
	{"permanent_count", func(r *bounce.Recipient) string { return strconv.Itoa(r.PermanentCount) }},
	{"retry_count", func(r *bounce.Recipient) string { return strconv.Itoa(r.RetryCount) }},
	{"bad_since", func(r *bounce.Recipient) string { return optional(r.BadSince) }},
	{"bad_until", func(r *bounce.Recipient) string { return optional(r.BadUntil) }},
	{"last_bounce_id", func(r *bounce.Recipient) string { return strconv.FormatInt(r.LastBounceID, 10) }},
	{"seq", func(r *bounce.Recipient) string { return strconv.FormatInt(r.Seq, 10) }},
	{"reply", func(r *bounce.Recipient) string { return r.Reply }},
}

func optional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// csvWriter writes RFC 4180 with \n at the end of a line.
type csvWriter struct {
	w   *csv.Writer
	row []string
}

func newCSV(w io.Writer) Writer {
	c := &csvWriter{w: csv.NewWriter(w)}
	for _, column := range csvColumns {
		c.row = append(c.row, column.name)
	}
	_ = c.w.Write(c.row) // Close reports it
	return c
}

func (c *csvWriter) Write(r *bounce.Recipient) error {
	for i, column := range csvColumns {
		c.row[i] = defused(column.value(r))
	}
	return c.w.Write(c.row)
}

func (c *csvWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// defused returns a cell that no spreadsheet takes for a formula. The remote
// side writes the reply, and anyone may own an address that begins with =, so
// such a cell begins with an apostrophe, as OWASP advises (CSV Injection).
func defused(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
