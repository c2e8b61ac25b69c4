// Live measures the cost of following logs: the processor time of an idle daemon with
// many rotated files; the time to read a backlog; the processor time at a rate of lines
// per second, and the latency from a line to its record; and the maximum rate of one core.
// It has no limits; it fails only if the program fails or loses a record.
//
//	go run ./bench/live -program ./bouncetail -genlog .cache/genlog
//
// Lines have the stamp of the time at which they are written. Processor time is that of
// all threads of the daemon, counted by the kernel. Other load on the machine increases
// processor time and latency.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

func main() {
	b := bench{}
	flag.StringVar(&b.program, "program", "./bouncetail", "the program to measure")
	flag.StringVar(&b.genlog, "genlog", ".cache/genlog", "what makes the lines; see bench/genlog")
	flag.StringVar(&b.dir, "dir", ".cache/live", "where the logs and the database are written")
	flag.IntVar(&b.rotated, "rotated", 400, "rotated files beside the log of an idle daemon")
	flag.DurationVar(&b.idle, "idle", time.Minute, "for how long an idle daemon is measured; 0 leaves it out")
	flag.IntVar(&b.rate, "rate", 5000, "lines a second; 0 leaves that out")
	flag.DurationVar(&b.span, "for", 30*time.Second, "for how long")
	flag.Int64Var(&b.backlog, "backlog", 100, "megabytes that the daemon reads first")
	flag.IntVar(&b.recipients, "recipients", 25_000, "addresses that mail fails to")
	flag.StringVar(&b.db, "db", "", "a database that the daemon follows into a copy of; by default it is new")
	flag.BoolVar(&b.limit, "limit", true, "look for the highest rate")
	flag.Parse()
	if err := b.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

type bench struct {
	program, genlog, dir string
	db                   string
	rotated, rate        int
	recipients           int
	idle, span           time.Duration
	backlog              int64
	limit                bool
}

func (b *bench) run(ctx context.Context) error {
	if b.idle > 0 {
		if err := b.measureIdle(ctx); err != nil {
			return err
		}
	}
	if b.rate > 0 {
		if err := b.measureRate(ctx); err != nil {
			return err
		}
	}
	if b.limit {
		return b.measureLimit(ctx)
	}
	return nil
}

// measureIdle measures an idle daemon.
func (b *bench) measureIdle(ctx context.Context) error {
	f, err := b.begin(ctx, 1)
	if err != nil {
		return err
	}
	defer f.end()
	for i := range b.rotated {
		// A different line in each, so that they are different streams.
		line := fmt.Sprintf("Nov  1 00:00:00 mx1 postfix/qmgr[912]: %08X: removed\n", i)
		if err := os.WriteFile(fmt.Sprintf("%s.%d", f.path, i+1), []byte(line), 0o644); err != nil {
			return err
		}
	}
	if err := f.start(ctx, b.program); err != nil {
		return err
	}
	// For a while after a change, all files are checked more often.
	time.Sleep(45 * time.Second)
	before, err := f.usage()
	if err != nil {
		return err
	}
	time.Sleep(b.idle)
	after, err := f.usage()
	if err != nil {
		return err
	}
	fmt.Printf("idle, %d rotated files: %.0f ms of processor time in %s (%.3f %% of a core), %d context switches, %d MB resident\n",
		b.rotated, milliseconds(after.cpu-before.cpu), b.idle, percent(after.cpu-before.cpu, b.idle), after.switches-before.switches, after.resident>>20)
	return f.stop()
}

// measureRate measures a daemon that follows a log.
func (b *bench) measureRate(ctx context.Context) error {
	f, err := b.begin(ctx, b.backlog*1e6)
	if err != nil {
		return err
	}
	defer f.end()
	begun := time.Now()
	if err := f.start(ctx, b.program); err != nil {
		return err
	}
	took := time.Since(begun)
	backlog, err := f.usage()
	if err != nil {
		return err
	}
	fmt.Printf("a backlog of %d MB: %.1f s, %.1f s of processor time, %d MB resident at most\n", b.backlog, took.Seconds(), backlog.cpu.Seconds(), backlog.peak>>20)
	if _, err := f.write(ctx, b.rate, 5*time.Second); err != nil { // warm-up
		return err
	}
	before, err := f.usage()
	if err != nil {
		return err
	}
	r, err := f.write(ctx, b.rate, b.span)
	if err != nil {
		return err
	}
	fmt.Printf("%d lines a second for %s, %d failures: %.1f %% of a core, %.0f context switches a second, %d MB resident\n",
		b.rate, b.span, len(r.latencies), percent(r.usage.cpu-before.cpu, r.took), float64(r.usage.switches-before.switches)/r.took.Seconds(), r.usage.resident>>20)
	fmt.Printf("  from a line to its record: median %.0f ms, 90 of 100 within %.0f ms, 99 within %.0f ms, all within %.0f ms\n",
		milliseconds(r.percentile(50)), milliseconds(r.percentile(90)), milliseconds(r.percentile(99)), milliseconds(r.percentile(100)))
	return f.stop()
}

// measureLimit increases the rate until the daemon on one core falls behind: until the
// latency grows during a run and exceeds 1 s.
func (b *bench) measureLimit(ctx context.Context) error {
	f, err := b.begin(ctx, b.backlog*1e6)
	if err != nil {
		return err
	}
	defer f.end()
	if err := f.start(ctx, "taskset", "-c", "0", b.program); err != nil {
		return err
	}
	const span = 8 * time.Second
	fmt.Println("on one core, for", span, "each:")
	for rate := 20_000; ; rate = rate * 3 / 2 {
		before, err := f.usage()
		if err != nil {
			return err
		}
		r, err := f.write(ctx, rate, span)
		if errors.Is(err, errSlowWriter) {
			fmt.Printf("  %d lines a second: more than can be written here; the daemon kept up before\n", rate)
			return f.stop()
		}
		if err != nil {
			return err
		}
		quarter := len(r.latencies) / 4
		early, late := median(r.latencies[:quarter]), median(r.latencies[len(r.latencies)-quarter:])
		fmt.Printf("  %d lines a second: %.0f %% of the core; from a line to its record %.0f ms in the first quarter, %.0f ms in the last\n",
			rate, percent(r.usage.cpu-before.cpu, r.took), milliseconds(early), milliseconds(late))
		if late > time.Second && late > 2*early {
			return f.stop()
		}
	}
}

func milliseconds(d time.Duration) float64      { return d.Seconds() * 1000 }
func percent(part, whole time.Duration) float64 { return 100 * part.Seconds() / whole.Seconds() }

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// written is the result of writing lines.
type written struct {
	latencies []time.Duration // from each failure to its record, in order
	took      time.Duration
	usage     usage // when the last line was written
}

// percentile returns a percentile of the latencies.
func (w *written) percentile(percent int) time.Duration {
	all := slices.Sorted(slices.Values(w.latencies))
	return all[min(len(all)-1, len(all)*percent/100)]
}

var errSlowWriter = errors.New("lines cannot be made and written so fast")

// write writes lines at a rate, and waits for the records of their failures. It starts a
// goroutine that polls the database, and waits for it.
func (f *follower) write(ctx context.Context, rate int, span time.Duration) (*written, error) {
	first := f.failed
	at := make(chan time.Time, 1<<20) // when each failure was written
	type result struct {
		latencies []time.Duration
		err       error
	}
	seen := make(chan result, 1)
	go func() {
		latencies, err := f.watch(ctx, first, at)
		seen <- result{latencies, err}
	}()
	w := &written{}
	begun, lines := time.Now(), 0
	var chunk []byte
	var err error
	for err == nil && time.Since(begun) < span {
		time.Sleep(time.Millisecond)
		now := time.Now()
		due := int(now.Sub(begun).Seconds() * float64(rate))
		before := f.failed
		for chunk = chunk[:0]; lines < due && err == nil; lines++ {
			var line []byte
			if line, err = f.line(); err == nil {
				chunk = now.AppendFormat(chunk, time.Stamp)
				chunk = append(chunk, line[len(time.Stamp):]...)
			}
		}
		if err == nil {
			_, err = f.log.Write(chunk)
		}
		for now = time.Now(); before < f.failed; before++ {
			at <- now
		}
		if err == nil && now.Sub(begun) > span+span/10 {
			err = errSlowWriter
		}
	}
	w.took = time.Since(begun)
	var readErr error
	w.usage, readErr = f.usage()
	close(at)
	r := <-seen
	w.latencies = r.latencies
	return w, errors.Join(err, readErr, r.err)
}

// watch returns the latency of each failure whose time of writing it receives. first is
// the number of records before.
func (f *follower) watch(ctx context.Context, first int64, at <-chan time.Time) ([]time.Duration, error) {
	var latencies []time.Duration
	look, err := f.db.PrepareContext(ctx, "SELECT ifnull(max(id), 0) FROM bounces")
	if err != nil {
		return nil, err
	}
	defer look.Close()
	last := time.Now()
	for when := range at {
		for known := int64(0); known <= first+int64(len(latencies)); {
			if err := look.QueryRowContext(ctx).Scan(&known); err != nil {
				return nil, err
			}
			if known > first+int64(len(latencies)) {
				last = time.Now()
				break
			}
			if time.Since(when) > time.Minute {
				return nil, fmt.Errorf("failure %d was written a minute ago and is not in the database", first+int64(len(latencies))+1)
			}
			time.Sleep(time.Millisecond)
		}
		latencies = append(latencies, last.Sub(when))
	}
	return latencies, nil
}

// usage is the resource usage of the daemon so far.
type usage struct {
	cpu      time.Duration
	switches int64 // context switches of all threads
	resident int64 // bytes, current
	peak     int64 // bytes, the most so far
}

func (f *follower) usage() (u usage, err error) {
	tasks, err := filepath.Glob("/proc/" + f.pid + "/task/*/schedstat")
	if err != nil || len(tasks) == 0 {
		return u, fmt.Errorf("the daemon is gone: %s", f.said.String())
	}
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			return u, err
		}
		var ran, waited, times int64
		if _, err := fmt.Sscan(string(text), &ran, &waited, &times); err != nil {
			return u, fmt.Errorf("%s: %w", path, err)
		}
		u.cpu += time.Duration(ran)
		u.switches += times
	}
	status, err := os.Open("/proc/" + f.pid + "/status")
	if err != nil {
		return u, err
	}
	defer status.Close()
	text, err := io.ReadAll(status)
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			_, err = fmt.Sscan(rest, &u.resident)
		case "VmHWM":
			_, err = fmt.Sscan(rest, &u.peak)
		}
		if err != nil {
			return u, err
		}
	}
	u.resident, u.peak = u.resident<<10, u.peak<<10
	return u, nil
}
