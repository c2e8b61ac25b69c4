package bounce

import (
	"encoding/binary"
	"strings"
	"time"
)

// Records is a list of records. They are packed into one piece of memory, so that
// tens of thousands cost the garbage collector nothing, and so that none keeps the
// block of the log that it was read from. The zero value is an empty list.
type Records struct {
	data   *strings.Builder // nil while there was none
	starts []uint32         // where each record starts in data
	packed []byte           // the numbers of the record that is being added
}

// NewRecords returns a list of records.
func NewRecords(records ...Record) Records {
	var l Records
	for i := range records {
		l.Add(&records[i])
	}
	return l
}

// Grow makes space for n more records of some 400 bytes.
func (l *Records) Grow(n int) {
	l.init()
	l.data.Grow(400 * n)
}

func (l *Records) init() {
	if l.data == nil {
		l.data = &strings.Builder{}
	}
}

// Len returns how many records there are.
func (l *Records) Len() int { return len(l.starts) }

// Reset empties the list. What Read gave stays valid.
func (l *Records) Reset() { l.data, l.starts = nil, l.starts[:0] }

// Add packs a record, and keeps no part of it. A list takes 4 GB at most.
func (l *Records) Add(r *Record) {
	l.init()
	l.starts = append(l.starts, uint32(l.data.Len()))
	b := append(l.packed[:0], r.ID[:]...)
	b = binary.AppendVarint(b, r.At.Unix())
	for _, n := range [...]int{r.At.Nanosecond(), r.Reply.SMTPCode, r.Reply.RelayPort, int(r.RetryAfter), flag(r.HasSender), flag(r.Suppress)} {
		b = binary.AppendVarint(b, int64(n))
	}
	texts := r.texts()
	for _, text := range texts {
		b = binary.AppendVarint(b, int64(len(*text)))
	}
	l.data.Write(b)
	for _, text := range texts {
		l.data.WriteString(*text)
	}
	l.packed = b
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Read makes r the record number i. Its texts are parts of one string that holds
// those of all records, so a text that is kept for long is cloned. Its time is in
// UTC.
func (l *Records) Read(i int, r *Record) {
	data := l.data.String()[l.starts[i]:] // no copy
	data = data[copy(r.ID[:], data):]
	second := varint(&data)
	r.At = time.Unix(second, varint(&data)).UTC()
	r.Reply.SMTPCode, r.Reply.RelayPort = int(varint(&data)), int(varint(&data))
	r.RetryAfter = time.Duration(varint(&data))
	r.HasSender, r.Suppress = varint(&data) == 1, varint(&data) == 1
	texts := r.texts()
	var sizes [len(texts)]int
	for i := range sizes {
		sizes[i] = int(varint(&data))
	}
	for i, text := range texts {
		*text, data = data[:sizes[i]], data[sizes[i]:]
	}
}

// varint is binary.Varint for a string, and takes what it reads off it.
func varint(data *string) int64 {
	var n uint64
	for i := 0; ; i++ {
		c := (*data)[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			*data = (*data)[i+1:]
			return int64(n>>1) ^ -int64(n&1)
		}
	}
}

// texts are all fields of a record that are text.
func (r *Record) texts() [27]*string {
	return [...]*string{
		&r.Host, (*string)(&r.MTA), &r.QueueID, &r.Sender, &r.MessageID, &r.Recipient, &r.OriginalRecipient,
		(*string)(&r.Outcome), &r.Transport, &r.Router, &r.DSN,
		&r.Reply.EnhancedCode, &r.Reply.Text, (*string)(&r.Reply.Stage), &r.Reply.RelayHost, &r.Reply.RelayIP,
		(*string)(&r.Category), (*string)(&r.Reason), (*string)(&r.Scope), (*string)(&r.Disposition),
		&r.Rule, &r.Provider, &r.Blocklist, &r.URL,
		&r.To.Normal, &r.To.Domain, &r.To.Logged,
	}
}
