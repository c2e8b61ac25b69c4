package recipient

import (
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// FailureLog collects failures of many addresses. An import collects hundreds of
// thousands in a transaction, so each takes little memory. It keeps no text of a
// record. The zero value is empty.
type FailureLog struct {
	pieces    [][]loggedFailure // a list that grows without being copied
	n         int32
	verdicts  []Failure // the distinct verdicts, without the other fields
	verdictAt map[Failure]int32
}

type loggedFailure struct {
	id      int64
	at      int64 // Unix milliseconds
	place   Place
	verdict int32 // index in verdicts
	before  int32 // the one before it of the same address, see Add
}

const failuresInPiece = 1 << 10

// Add adds a failure. Before is what Add returned for the one before it of the same
// address, or 0.
func (l *FailureLog) Add(r *bounce.Record, id int64, before int32) (last int32) {
	if l.n%failuresInPiece == 0 {
		l.pieces = append(l.pieces, make([]loggedFailure, 0, min(l.n, failuresInPiece))) // the first grows: usually there are few
	}
	piece := &l.pieces[len(l.pieces)-1]
	*piece = append(*piece, loggedFailure{id, r.At.UnixMilli(), PlaceOf(r.QueueID), l.verdict(r), before})
	l.n++
	return l.n
}

// verdict returns the index of the verdict on a failure.
func (l *FailureLog) verdict(r *bounce.Record) int32 {
	f := Failure{Category: r.Category, Reason: r.Reason, Disposition: r.Disposition, Suppress: r.Suppress, Counts: r.Counts(r.Outcome)}
	i, known := l.verdictAt[f]
	if !known {
		f.Category = bounce.Category(strings.Clone(string(f.Category)))
		f.Reason = bounce.Reason(strings.Clone(string(f.Reason)))
		f.Disposition = bounce.Disposition(strings.Clone(string(f.Disposition)))
		i = int32(len(l.verdicts))
		l.verdicts = append(l.verdicts, f)
		if l.verdictAt == nil {
			l.verdictAt = make(map[Failure]int32)
		}
		l.verdictAt[f] = i
	}
	return i
}

// Of appends the failures of an address, sorted. Last is what Add returned for the
// last of them.
func (l *FailureLog) Of(last int32, to []Failure) []Failure {
	before := len(to)
	for i := last; i > 0; {
		n := &l.pieces[(i-1)/failuresInPiece][(i-1)%failuresInPiece]
		f := l.verdicts[n.verdict]
		f.ID, f.At, f.Place = n.id, bounce.Stamp(time.UnixMilli(n.at)), n.place
		to = append(to, f)
		i = n.before
	}
	slices.Reverse(to[before:]) // usually sorted then
	Sort(to[before:])
	return to
}
