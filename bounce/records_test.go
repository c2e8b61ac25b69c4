package bounce

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// fill gives each field of a struct a different value.
func fill(v reflect.Value, n *int) {
	for i := range v.NumField() {
		f := v.Field(i)
		*n++
		switch {
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.UnixMilli(int64(1_790_000_000_123 + *n)).UTC()))
		case f.Kind() == reflect.Struct:
			fill(f, n)
		case f.Kind() == reflect.String:
			f.SetString(fmt.Sprint("text ", *n))
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.CanInt():
			f.SetInt(int64(*n))
		case f.Kind() == reflect.Array:
			f.Index(*n % f.Len()).SetUint(uint64(*n))
		default:
			panic("Records does not pack a field of this kind: " + v.Type().Field(i).Name)
		}
	}
}

// Every field is packed, including those added to Record later.
func TestRecords(t *testing.T) {
	var full, before Record
	n := 0
	fill(reflect.ValueOf(&full).Elem(), &n)
	before.At = time.Date(1969, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
	before.Reply.Text = string(make([]byte, 300))
	want := []Record{full, {}, before}

	l := NewRecords(want...)
	if l.Len() != len(want) {
		t.Fatalf("%d records, want %d", l.Len(), len(want))
	}
	got := full // Read overwrites every field
	for i := range want {
		want[i].At = want[i].At.UTC()
		if l.Read(i, &got); got != want[i] {
			t.Errorf("record %d\n got %+v\nwant %+v", i, got, want[i])
		}
	}
	if l.Reset(); l.Len() != 0 {
		t.Errorf("%d records after Reset", l.Len())
	}
}

func TestTextsStayValid(t *testing.T) {
	l := NewRecords(Record{Delivery: Delivery{Host: "mx.example.com"}})
	var first, second Record
	l.Read(0, &first)
	for range 1000 {
		l.Add(&Record{Delivery: Delivery{Host: "other.example.com"}})
	}
	l.Read(1000, &second)
	l.Reset()
	l.Add(&Record{Delivery: Delivery{Host: "third.example.com"}})
	if first.Host != "mx.example.com" || second.Host != "other.example.com" {
		t.Errorf("got %q and %q", first.Host, second.Host)
	}
}

// An import computes millions of keys.
func BenchmarkKey(b *testing.B) {
	a := Address{Normal: "someone.with.a.long.name.of.forty@subdomain.example.com"}
	b.ReportAllocs()
	for b.Loop() {
		a.Key()
	}
}
