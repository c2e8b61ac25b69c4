package export

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
)

// column is one value of a recipient under the name of its column in the
// database: a string, a number, or nil.
type column struct {
	name  string
	value func(*bounce.Recipient) any
}

// columns are those of the table recipients, followed by those of the failure that
// decided.
var columns = []column{
	{"recipient", func(r *bounce.Recipient) any { return r.Recipient }},
	{"domain", func(r *bounce.Recipient) any { return r.Domain }},
	{"state", func(r *bounce.Recipient) any { return string(r.State) }},
	{"decided_by", func(r *bounce.Recipient) any { return string(r.DecidedBy) }},
	{"category", func(r *bounce.Recipient) any { return string(r.Category) }},
	{"reason", func(r *bounce.Recipient) any { return string(r.Reason) }},
	{"first_failure_at", func(r *bounce.Recipient) any { return optional(r.FirstFailureAt) }},
	{"last_failure_at", func(r *bounce.Recipient) any { return optional(r.LastFailureAt) }},
	{"last_delivery_at", func(r *bounce.Recipient) any { return optional(r.LastDeliveryAt) }},
	{"permanent_count", func(r *bounce.Recipient) any { return r.PermanentCount }},
	{"retry_count", func(r *bounce.Recipient) any { return r.RetryCount }},
	{"bad_since", func(r *bounce.Recipient) any { return optional(r.BadSince) }},
	{"bad_until", func(r *bounce.Recipient) any { return optional(r.BadUntil) }},
	{"last_bounce_id", func(r *bounce.Recipient) any { return optional(r.LastBounceID) }},
	{"seq", func(r *bounce.Recipient) any { return r.Seq }},
	{"reply", func(r *bounce.Recipient) any { return r.Reply }},
	{"smtp_code", func(r *bounce.Recipient) any {
		if r.SMTPCode == 0 {
			return nil
		}
		return r.SMTPCode
	}},
}

func optional[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

// ColumnNames lists the names for --columns.
func ColumnNames() []string {
	names := make([]string, 0, len(columns))
	for _, c := range columns {
		names = append(names, c.name)
	}
	return names
}

// chosen returns the columns with these names, which the caller has checked, or the
// default columns of the format.
func chosen(names []string, otherwise []column) []column {
	if len(names) == 0 {
		return otherwise
	}
	var list []column
	for _, name := range names {
		for _, c := range columns {
			if c.name == name {
				list = append(list, c)
			}
		}
	}
	return list
}

// object returns the columns as a JSON object, in their order.
func object(r *bounce.Recipient, list []column) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := asJSON(c.value(r))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", c.name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// asJSON returns a value as JSON on one line, < and > as they are.
func asJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
