package query

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Types of fields that are stored in their own way, see sqldb.Columns.
type (
	// Time is stored as a stamp.
	Time time.Time
	// EventID is stored as text.
	EventID bounce.EventID
	// Sender is a delivery of which the sender is stored: an empty text is the null
	// sender, NULL is not known.
	Sender bounce.Delivery
)

// Value returns the stamp.
func (t *Time) Value() (driver.Value, error) { return bounce.Stamp(time.Time(*t)), nil }

// AppendText appends the stamp.
func (t *Time) AppendText(b []byte) ([]byte, error) { return bounce.AppendStamp(b, time.Time(*t)), nil }

// Scan sets the time to that of a stamp.
func (t *Time) Scan(v any) error {
	stamp, err := textOf(v)
	*t = Time(bounce.ParseStamp(stamp))
	return err
}

// Value returns the text.
func (id *EventID) Value() (driver.Value, error) { return bounce.EventID(*id).String(), nil }

// AppendText appends the text.
func (id *EventID) AppendText(b []byte) ([]byte, error) { return hex.AppendEncode(b, id[:]), nil }

// Scan reads the text. A text that was written by hand gives the zero ID.
func (id *EventID) Scan(v any) error {
	text, err := textOf(v)
	*id = EventID{}
	if len(text) == hex.EncodedLen(len(id)) {
		_, _ = hex.Decode(id[:], []byte(text))
	}
	return err
}

// Value returns the sender.
func (s *Sender) Value() (driver.Value, error) {
	if !s.HasSender {
		return nil, nil
	}
	return s.Sender, nil
}

// Text returns the sender, and whether it is known.
func (s *Sender) Text() (string, bool) { return s.Sender, s.HasSender }

// Scan sets the sender.
func (s *Sender) Scan(v any) (err error) {
	s.Sender, err = textOf(v)
	s.HasSender = v != nil
	return err
}

// textOf returns a text, which is empty if the value is NULL.
func textOf(v any) (string, error) {
	text, isText := v.(string)
	if !isText && v != nil {
		return "", fmt.Errorf("a value of type %T where a text is expected", v)
	}
	return text, nil
}
