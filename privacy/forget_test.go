package privacy

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

var jane = bounce.Address{Normal: "jane@example.com", Domain: "example.com"}

// asText is a scrubber of a memory that is one text.
func asText(data []byte, scrub func(string) (string, bool)) ([]byte, bool, error) {
	rest, found := scrub(string(data))
	return []byte(rest), found, nil
}

func TestEachContentIsErasedInItsOwnWay(t *testing.T) {
	broken := errors.New("broken")
	e := &Erasure{
		Traces: NewTraces([]bounce.Address{jane}, nil), Queue: asText,
		Parser: func([]byte, func(string) (string, bool)) ([]byte, bool, error) { return nil, false, broken },
	}
	const text = "to <jane@example.com>"
	for _, c := range []struct {
		content       Content
		text          string
		want          any
		changed, drop bool
	}{
		{Impersonal, text, text, false, false},
		{Owned, text, text, false, false}, // the row is deleted by its number
		{Named, "jane@example.com", nil, true, false},
		{Named, "joe@example.com", "joe@example.com", false, false},
		{Quoted, text, "to <[forgotten]>", true, false},
		{Sampled, text, "to <[forgotten]>", true, true},
		{Sampled, "to <joe@example.com>", "to <joe@example.com>", false, false},
	} {
		value, changed, drop, err := e.Value(c.content, c.text)
		if err != nil || value != c.want || changed != c.changed || drop != c.drop {
			t.Errorf("Value(%d, %q) = %v, %v, %v, %v; want %v, %v, %v", c.content, c.text, value, changed, drop, err, c.want, c.changed, c.drop)
		}
	}
	if value, changed, drop, err := e.Value(Queued, text); err != nil || string(value.([]byte)) != "to <[forgotten]>" || !changed || drop {
		t.Errorf("Value(Queued): %s, %v, %v, %v", value, changed, drop, err)
	}
	if _, _, _, err := e.Value(Parsed, text); !errors.Is(err, broken) {
		t.Errorf("Value(Parsed): %v, want the error of the scrubber", err)
	}
}

func TestOldLogsAreAdmittedInPart(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }
	other := bounce.Address{Normal: "joe@example.com", Domain: "example.com"}
	record := func(to bounce.Address, at time.Time, sender string) bounce.Record {
		return bounce.Record{Delivery: bounce.Delivery{At: at, Sender: sender, HasSender: true, OriginalRecipient: sender}, To: to}
	}
	success := func(to bounce.Address, at time.Time) bounce.Success {
		return bounce.Success{Key: to.Key(), At: at.UnixMilli()}
	}
	b := &bounce.Batch{
		Records: bounce.NewRecords(
			record(other, day(1), ""),                 // before failures are kept
			record(jane, day(9), ""),                  // before she was forgotten
			record(jane, day(11), ""),                 // and after
			record(other, day(9), "Jane@Example.com"), // who wrote to him
		),
		Successes: []bounce.Success{success(other, day(1)), success(other, day(3)), success(jane, day(9)), success(jane, day(11)), success(other, day(9))},
		Queue:     []bounce.QueueEntry{{SeenAt: day(9), Data: []byte("jane@example.com")}, {SeenAt: day(11), Data: []byte("jane@example.com")}, {SeenAt: day(9)}},
	}
	a := &Admission{Bounces: day(2), Successes: day(5), Forgotten: map[int64]time.Time{jane.Key(): day(10)}}
	got, reached, err := a.Batch(b, asText)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for i := range got.Records.Len() {
		var r bounce.Record
		got.Records.Read(i, &r)
		kept = append(kept, r.To.Normal+" on "+r.At.Format("2")+" from "+r.Sender+r.OriginalRecipient)
		if r.To == other && r.HasSender {
			t.Error("the sender that was forgotten became the null sender")
		}
	}
	if text := strings.Join(kept, "; "); text != "jane@example.com on 11 from ; joe@example.com on 9 from " {
		t.Errorf("records: %s", text)
	}
	if len(got.Successes) != 2 || got.Successes[0] != success(jane, day(11)) || got.Successes[1] != success(other, day(9)) {
		t.Errorf("successes: %v", got.Successes)
	}
	if len(reached) != 1 || reached[0] != success(other, day(3)) {
		t.Errorf("reached: %v, want the delivery of which it is not known whether it was counted", reached)
	}
	if q := got.Queue; string(q[0].Data) != gone || string(q[1].Data) != "jane@example.com" || q[2].Data != nil {
		t.Errorf("queue: %q", q)
	}
	if b.Records.Len() != 4 || len(b.Successes) != 5 || string(b.Queue[0].Data) != "jane@example.com" {
		t.Error("the batch itself has changed")
	}
	nothing := &Admission{}
	if same, _, err := nothing.Batch(b, asText); same != b || err != nil {
		t.Errorf("without anything deleted: %v, want the same batch", err)
	}
}

func TestAddressesAreFoundAcrossTheBlocksOfAFile(t *testing.T) {
	traces := NewTraces([]bounce.Address{jane}, nil)
	for _, form := range []string{"Jane@Example.COM", "jane=example.com", "example.com=jane", "jane%40example.com"} {
		for _, before := range []int{0, 1<<20 - 5, 3<<20 - 1} {
			file := append(bytes.Repeat([]byte("x"), before), "\n"+form+"\n"...)
			if found, err := traces.FoundIn(iotest.HalfReader(bytes.NewReader(file))); err != nil || !found {
				t.Errorf("%s after %d bytes: found %v, %v", form, before, found, err)
			}
		}
	}
	if found, err := traces.FoundIn(strings.NewReader("joe@example.com jane@example.org")); err != nil || found {
		t.Errorf("in a file without her: found %v, %v", found, err)
	}
	if _, err := traces.FoundIn(iotest.ErrReader(errors.New("broken"))); err == nil {
		t.Error("an error of reading is not returned")
	}
}
