// Compare measures the time of an import and of well-known programs in the same run on
// the same machine, because machines differ. It has no limits; it fails only if a
// program fails.
//
//	go run ./bench/compare -program ./bouncetail -genlog .cache/genlog -size 1GB
//
// pflogsumm and eximstats read a tenth of the log. The table shows ten times their time
// and marks it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	b := bench{}
	flag.StringVar(&b.program, "program", "./bouncetail", "the program to measure")
	flag.StringVar(&b.genlog, "genlog", ".cache/genlog", "what makes the logs; see bench/genlog")
	flag.StringVar(&b.dir, "dir", ".cache/bench", "where the logs and databases are written")
	flag.StringVar(&b.size, "size", "1GB", "of each log")
	flag.IntVar(&b.rounds, "rounds", 3, "the best of so many counts")
	flag.Parse()
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

type bench struct {
	program, genlog, dir, size string
	rounds                     int
	grep                       map[string]time.Duration // by log, the reference
}

// cost is the cost of a run.
type cost struct {
	wall, cpu time.Duration
	resident  int64 // maximum, in bytes
}

func (b *bench) run() error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	logs := []struct{ name, mta, stamp, mark, peer string }{
		{"postfix.log", "postfix", "traditional", "status=", "pflogsumm"},
		{"postfix-rfc3339.log", "postfix", "rfc3339", "status=", ""},
		{"exim.log", "exim", "traditional", " [=*-][=>*] ", "eximstats"},
	}
	b.grep = make(map[string]time.Duration)
	fmt.Printf("logs of %s, best of %d; resident is the highest\n\n", b.size, b.rounds)
	fmt.Printf("%-52s %8s %8s %9s %8s\n", "", "wall s", "CPU s", "resident", "x grep")
	for _, l := range logs {
		path := filepath.Join(b.dir, l.name)
		if err := b.generate(path, "-mta", l.mta, "-stamp", l.stamp); err != nil {
			return err
		}
		if err := b.packed(path); err != nil {
			return err
		}
		b.line(l.name, "wc -l", 1, b.rounds, "wc", "-l", path)
		b.grep[l.name] = b.line(l.name, "grep -c '"+l.mark+"'", 1, b.rounds, "grep", "-c", "-e", l.mark, path)
		b.imports(l.name, "import", path)
		b.imports(l.name, "import, one core", path, "taskset", "-c", "0")
		b.imports(l.name, "import of .gz", path+".gz")
		if peer := peer(l.peer); peer != "" {
			tenth := path + ".tenth"
			if err := cut(path, tenth); err != nil {
				return err
			}
			b.line(l.name, l.peer+" (of a tenth, times ten)", 10, 1, peer, tenth)
		} else if l.peer != "" {
			fmt.Printf("%-52s is not installed\n", l.name+": "+l.peer)
		}
		fmt.Println()
	}
	return nil
}

// peer returns the path of a program, installed or unpacked by scripts/test-setup.
func peer(name string) string {
	if name == "" {
		return ""
	}
	for _, path := range []string{name, "/usr/sbin/" + name, ".cache/mta/exim4/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

// generate makes a log, unless one of that size exists.
func (b *bench) generate(path string, args ...string) error {
	if kept, err := os.ReadFile(path + ".size"); err == nil && string(kept) == b.size {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	c := exec.CommandContext(context.Background(), b.genlog, append(args, "-size", b.size)...)
	c.Stdout, c.Stderr = f, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w; make it with: go build -o %[1]s ./bench/genlog", b.genlog, err)
	}
	os.Remove(path + ".gz")
	return os.WriteFile(path+".size", []byte(b.size), 0o644)
}

func (b *bench) packed(path string) error {
	if _, err := os.Stat(path + ".gz"); err == nil {
		return nil
	}
	return exec.CommandContext(context.Background(), "gzip", "-k", path).Run()
}

// cut copies the first tenth of a file.
func cut(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.CopyN(out, in, info.Size()/10)
	return errors.Join(err, out.Close())
}

// imports measures an import into an empty database.
func (b *bench) imports(log, what, path string, before ...string) {
	db := filepath.Join(b.dir, "bench.db")
	args := append(before, b.program, "import", "--db", db, path)
	var best cost
	for i := range b.rounds {
		for _, end := range []string{"", "-wal", "-shm", ".lock"} {
			os.Remove(db + end)
		}
		c, err := measure(args)
		if err != nil {
			fmt.Printf("%-52s %v\n", log+": "+what, err)
			return
		}
		best = better(best, c, i)
	}
	b.print(log, what, best)
}

// line measures another program, which may read a part of the log.
func (b *bench) line(log, what string, times, rounds int, args ...string) time.Duration {
	var best cost
	for i := range rounds {
		c, err := measure(args)
		if err != nil {
			fmt.Printf("%-52s %v\n", log+": "+what, err)
			return 0
		}
		best = better(best, c, i)
	}
	best.wall *= time.Duration(times)
	best.cpu *= time.Duration(times)
	b.print(log, what, best)
	return best.wall
}

func better(best, c cost, round int) cost {
	if round == 0 || c.wall < best.wall {
		c.resident = max(c.resident, best.resident)
		return c
	}
	best.resident = max(c.resident, best.resident)
	return best
}

func (b *bench) print(log, what string, c cost) {
	ratio := ""
	if grep := b.grep[log]; grep > 0 {
		ratio = strconv.FormatFloat(float64(c.wall)/float64(grep), 'f', 1, 64)
	}
	fmt.Printf("%-52s %8.2f %8.2f %6d MB %8s\n", log+": "+what, c.wall.Seconds(), c.cpu.Seconds(), c.resident>>20, ratio)
}

// measure runs a program and returns its cost. The output goes to a pipe, because grep
// stops at the first match if it writes to /dev/null.
func measure(args []string) (cost, error) {
	c := exec.CommandContext(context.Background(), args[0], args[1:]...)
	var said strings.Builder
	c.Stderr = &said
	out, err := c.StdoutPipe()
	if err != nil {
		return cost{}, err
	}
	begun := time.Now()
	if err := c.Start(); err != nil {
		return cost{}, err
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		return cost{}, err
	}
	if err := c.Wait(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", args[0], err, said.String())
	}
	m := cost{wall: time.Since(begun), cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime()}
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.resident = usage.Maxrss << 10
	}
	return m, nil
}
