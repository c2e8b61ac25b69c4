package bounce

import (
	"encoding/binary"
	"time"
)

// Records is a list of records, packed into one byte slice. Tens of thousands of
// them cost the garbage collector nothing, and none pins the block of the log that
// it was read from. The zero value is an empty list.
type Records struct {
	data []byte
	ends []uint32 // where each record ends in data
}

// NewRecords returns a list of records.
func NewRecords(records ...Record) Records {
	var l Records
	for i := range records {
		l.Add(&records[i])
	}
	return l
}

// Len returns the number of records.
func (l *Records) Len() int { return len(l.ends) }

// Reset empties the list and keeps its memory. Records returned by Read stay valid.
func (l *Records) Reset() { l.data, l.ends = l.data[:0], l.ends[:0] }

// Like returns an empty list that has memory for as much as this one holds.
func (l *Records) Like() Records {
	return Records{make([]byte, 0, len(l.data)), make([]uint32, 0, len(l.ends))}
}

// Add appends a copy of a record. A list holds at most 4 GB.
func (l *Records) Add(r *Record) {
	b := append(l.data, r.ID[:]...)
	b = binary.AppendVarint(b, r.At.Unix())
	for _, n := range [...]int{r.At.Nanosecond(), r.Reply.SMTPCode, r.Reply.RelayPort, int(r.RetryAfter), flags(r.HasSender, r.Suppress, r.Echo, r.First)} {
		b = binary.AppendVarint(b, int64(n))
	}
	texts := r.texts()
	for _, text := range texts {
		b = binary.AppendVarint(b, int64(len(*text)))
	}
	for _, text := range texts {
		b = append(b, *text...)
	}
	l.data, l.ends = b, append(l.ends, uint32(len(b)))
}

// flags packs booleans into a number.
func flags(all ...bool) (n int) {
	for i, b := range all {
		if b {
			n |= 1 << i
		}
	}
	return n
}

// At returns the time of record i, in whole seconds.
func (l *Records) At(i int) time.Time {
	start := uint32(0)
	if i > 0 {
		start = l.ends[i-1]
	}
	second, _ := binary.Varint(l.data[start+uint32(len(EventID{})):])
	return time.Unix(second, 0)
}

// Read copies record i to r. Its texts are substrings of a new string; its time is
// in UTC.
func (l *Records) Read(i int, r *Record) {
	texts, sizes := l.read(i, r)
	r.setTexts(string(texts), &sizes)
}

// Each calls do with each record, in the order of the list. The texts of all records
// are substrings of one new string; r is reused.
func (l *Records) Each(do func(r *Record)) {
	var r Record
	all := string(l.data)
	for i := range l.ends {
		texts, sizes := l.read(i, &r)
		end := int(l.ends[i])
		r.setTexts(all[end-len(texts):end], &sizes)
		do(&r)
	}
}

// read sets the fields of record i that are no texts. It returns the texts, one after
// the other, and the length of each.
func (l *Records) read(i int, r *Record) (texts []byte, sizes [textFields]int) {
	start := uint32(0)
	if i > 0 {
		start = l.ends[i-1]
	}
	b := l.data[start:l.ends[i]]
	b = b[copy(r.ID[:], b):]
	number := func() int64 {
		n, size := binary.Varint(b)
		b = b[size:]
		return n
	}
	second := number()
	r.At = time.Unix(second, number()).UTC()
	r.Reply.SMTPCode, r.Reply.RelayPort = int(number()), int(number())
	r.RetryAfter = time.Duration(number())
	set := number()
	r.HasSender, r.Suppress, r.Echo, r.First = set&1 != 0, set&2 != 0, set&4 != 0, set&8 != 0
	for i := range sizes {
		sizes[i] = int(number())
	}
	return b, sizes
}

// setTexts sets the text fields to parts of one text.
func (r *Record) setTexts(all string, sizes *[textFields]int) {
	for i, text := range r.texts() {
		*text, all = all[:sizes[i]], all[sizes[i]:]
	}
}

// textFields is the number of text fields of a record.
const textFields = 27

// texts returns pointers to all text fields of a record.
func (r *Record) texts() [textFields]*string {
	return [...]*string{
		&r.Host, (*string)(&r.MTA), &r.QueueID, &r.Sender, &r.MessageID, &r.Recipient, &r.OriginalRecipient,
		(*string)(&r.Outcome), &r.Transport, &r.Router, &r.DSN,
		&r.Reply.EnhancedCode, &r.Reply.Text, (*string)(&r.Reply.Stage), &r.Reply.RelayHost, &r.Reply.RelayIP,
		(*string)(&r.Category), (*string)(&r.Reason), (*string)(&r.Scope), (*string)(&r.Disposition),
		&r.Rule, &r.Provider, &r.Blocklist, &r.URL,
		&r.To.Normal, &r.To.Domain, &r.To.Logged,
	}
}
