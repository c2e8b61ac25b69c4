package packed

// Level is a level of deliveries, see package sqlite.
type Level struct {
	Table string
	Run   int64
	Bits  int // of the key that number the buckets
}

// The runs of recent_deliveries.
const (
	SmallRun   = 0 // of small batches
	Overflow   = 1 // of SmallRun
	FirstBatch = 2 // the first run that is a large batch

	RunShift = 16 // a bucket of recent_deliveries has the number of the run above these bits
)

// Lowest is the table deliveries.
var Lowest = Level{"deliveries", 0, 13}

// RecentRun returns a run of recent_deliveries.
func RecentRun(run int64) Level {
	if run == SmallRun {
		return Level{"recent_deliveries", run, 8}
	}
	return Level{"recent_deliveries", run, 12}
}

// Bucket returns the number of the bucket of a key.
func (l Level) Bucket(key uint64) int64 { return l.Run<<RunShift + int64(key>>(64-l.Bits)) }

// Keys returns the first key of a bucket and the last one.
func (l Level) Keys(bucket int64) (from, to uint64) {
	shift := 64 - l.Bits
	from = uint64(bucket-l.Run<<RunShift) << shift
	return from, from + 1<<shift - 1
}

// Split returns the numbers of the buckets of sorted deliveries, and where the
// deliveries of each end.
func (l Level) Split(all []Delivery) (buckets []int64, ends []int) {
	for i, d := range all {
		if b := l.Bucket(d.Key); len(buckets) == 0 || buckets[len(buckets)-1] != b {
			buckets, ends = append(buckets, b), append(ends, i)
		}
		ends[len(ends)-1] = i + 1
	}
	return buckets, ends
}

// Part returns the deliveries of a bucket, by what Split returns.
func Part(all []Delivery, ends []int, i int) (first, end int) {
	if i > 0 {
		first = ends[i-1]
	}
	return first, ends[i]
}

// Limits are the sizes that decide when levels are merged, in entries.
type Limits struct {
	Small    int // up to so many deliveries are a small batch
	Lowest   int // up to so many in deliveries, everything is merged into it at once
	SmallRun int // more than so many in SmallRun go to Overflow
	Runs     int // so many large batches are merged
}

// DefaultLimits are those of daemons and imports.
var DefaultLimits = Limits{Small: 16_000, Lowest: 1_000_000, SmallRun: 64_000, Runs: 8}

// Sizes are the numbers of entries of the levels. They are estimates, because
// other programs may write: they decide only when levels are merged.
type Sizes struct {
	Lowest int
	Runs   map[int64]int
}

// Plan decides where a number of deliveries are saved: on which level, in how many
// pieces (two to the power of bits), and whether all other levels are settled.
func (l Limits) Plan(n int, levels []Level, sizes *Sizes) (target Level, bits int, settle bool) {
	const piecesOfMany = 8
	many := n > l.Small
	if many {
		bits = piecesOfMany
	}
	recent, batches, next := 0, 0, int64(FirstBatch)
	for _, level := range levels[1:] {
		recent += sizes.Runs[level.Run]
		if level.Run >= FirstBatch {
			batches++
			next = level.Run + 1
		}
	}
	switch {
	case sizes.Lowest <= l.Lowest, many && (batches >= l.Runs || recent >= sizes.Lowest/2):
		if len(levels) > 1 {
			return Lowest, piecesOfMany, true
		}
		return Lowest, bits, false
	case many:
		return RecentRun(next), bits, false
	}
	return RecentRun(SmallRun), bits, false
}

// Add notes that a level has grown.
func (s *Sizes) Add(level Level, n int) {
	switch {
	case s == nil:
	case level.Table == Lowest.Table:
		s.Lowest += n
	default:
		s.Runs[level.Run] += n
	}
}
