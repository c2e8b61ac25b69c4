package bounce

import (
	"encoding/binary"
	"time"
	"unsafe"
)

// Records is a list of records whose texts lie in one piece of memory, so that
// tens of thousands of them cost the garbage collector nothing. The zero value
// is an empty list.
type Records struct {
	data   []byte
	starts []uint32 // where each record begins in data
}

// NewRecords returns a list of records.
func NewRecords(records ...Record) Records {
	var l Records
	for i := range records {
		l.Add(&records[i])
	}
	return l
}

// MakeRecords returns an empty list with room for n records of some 400 bytes.
func MakeRecords(n int) Records {
	return Records{data: make([]byte, 0, 400*n), starts: make([]uint32, 0, n)}
}

// Len returns how many records there are.
func (l *Records) Len() int { return len(l.starts) }

// Size returns how many bytes they take.
func (l *Records) Size() int { return len(l.data) }

// Reset empties the list and keeps its memory for the next records. What Read
// gave is not valid any more.
func (l *Records) Reset() { l.data, l.starts = l.data[:0], l.starts[:0] }

// Add packs a record, and keeps no part of it. A list takes 4 GB at most.
func (l *Records) Add(r *Record) {
	l.starts = append(l.starts, uint32(len(l.data)))
	b := append(l.data, r.ID[:]...)
	b = binary.AppendVarint(b, r.At.Unix())
	for _, n := range [...]int{r.At.Nanosecond(), r.Reply.SMTPCode, r.Reply.RelayPort, int(r.RetryAfter), flag(r.HasSender), flag(r.Suppress)} {
		b = binary.AppendVarint(b, int64(n))
	}
	for _, text := range r.texts() {
		b = append(binary.AppendUvarint(b, uint64(len(*text))), *text...)
	}
	l.data = b
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Read makes r the record number i. Its texts lie in the list, and its time is
// in UTC.
func (l *Records) Read(i int, r *Record) {
	b := l.data[l.starts[i]:]
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
	r.HasSender, r.Suppress = number() == 1, number() == 1
	for _, text := range r.texts() {
		n, size := binary.Uvarint(b)
		b = b[size:]
		*text = unsafe.String(unsafe.SliceData(b), n)
		b = b[n:]
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
