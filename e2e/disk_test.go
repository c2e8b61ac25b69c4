package e2e

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// recording holds the operations of processes on the files of a directory, from strace.
// image derives the possible content of a disk after a power failure.
type recording struct {
	dir   string
	ops   []diskOp
	names map[string]int // file number of each path at the end
	files int
}

type diskOp struct {
	kind   opKind
	file   int
	offset int64 // of a write; the size of a truncation
	data   []byte
	path   string // of a create, rename or removal
	from   string // of a rename
	covers int    // a sync makes earlier operations durable
}

type opKind uint8

const (
	opWrite opKind = iota
	opTruncate
	opSync
	opCreate
	opRename
	opUnlink
	opSyncDir
)

// straceArgs are the arguments of strace before the program.
func straceArgs(out string) []string {
	return []string{
		"-f", "-qq", "-xx", "-s", "33554432", "-e", "signal=none", "-o", out,
		"-e", "trace=openat,close,pwrite64,pwritev,write,writev,lseek,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2",
	}
}

var (
	straceCall    = regexp.MustCompile(`^\d+ +(\w+)\((.*)\) += (-?\d+)`)
	straceBegun   = regexp.MustCompile(`^(\d+) +(\w+)\((.*?),? *<unfinished \.\.\.>$`)
	straceResumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>,? ?(.*)\) += (-?\d+)`)
	straceText    = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
)

// add reads the trace of one process. A later process starts with the files of the
// earlier ones.
func (r *recording) add(trace string) error {
	f, err := os.Open(trace)
	if err != nil {
		return err
	}
	defer f.Close()
	p := process{recording: r, fds: make(map[string]string)}
	if r.names == nil {
		r.names = make(map[string]int)
	}
	type call struct {
		args  string
		index int // of the next operation at its start
	}
	begun := make(map[string]call) // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 256<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := straceBegun.FindStringSubmatch(line); m != nil {
			begun[m[1]] = call{m[3], len(r.ops)}
			continue
		}
		name, args, result, index := "", "", "", len(r.ops)
		if m := straceResumed.FindStringSubmatch(line); m != nil {
			first := begun[m[1]]
			name, args, result, index = m[2], first.args, m[4], first.index
			if m[3] != "" {
				args += ", " + m[3]
			}
		} else if m := straceCall.FindStringSubmatch(line); m != nil {
			name, args, result = m[1], m[2], m[3]
		}
		if name == "" || strings.HasPrefix(result, "-") {
			continue
		}
		if err := p.call(name, args, result, index); err != nil {
			return fmt.Errorf("%w in %.200s", err, line)
		}
	}
	return lines.Err()
}

// process is a traced process.
type process struct {
	*recording
	fds map[string]string // path of each descriptor in the directory
}

// modelled reports whether a path is the database or will be renamed to it. The shared
// memory and the lock have no meaning after a crash.
func (r *recording) modelled(path string) bool {
	return filepath.Dir(path) == r.dir && !strings.HasSuffix(path, "-shm") && !strings.HasSuffix(path, ".lock")
}

func (p *process) call(name, args, result string, index int) error {
	texts := straceText.FindAllStringSubmatch(args, -1)
	text := func(i int) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(texts[i][1], `\x`, ""))
		if err != nil {
			return nil
		}
		return b
	}
	fields := strings.Split(straceText.ReplaceAllString(args, "TEXT"), ", ")
	path := p.fds[fields[0]]
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	switch name {
	case "openat":
		p.opened(string(text(0)), fields[2], result)
	case "close":
		delete(p.fds, fields[0])
	case "unlink", "unlinkat":
		if path := string(text(0)); p.modelled(path) {
			delete(p.names, path)
			p.ops = append(p.ops, diskOp{kind: opUnlink, path: path})
		}
	case "rename", "renameat", "renameat2":
		if from, to := string(text(0)), string(text(1)); p.modelled(to) {
			p.names[to] = p.names[from]
			delete(p.names, from)
			p.ops = append(p.ops, diskOp{kind: opRename, from: from, path: to})
		}
	case "fsync", "fdatasync":
		if path == p.dir {
			p.ops = append(p.ops, diskOp{kind: opSyncDir, covers: index})
		} else if path != "" {
			p.ops = append(p.ops, diskOp{kind: opSync, file: p.names[path], covers: index})
		}
	case "pwrite64":
		if path != "" {
			op := diskOp{kind: opWrite, file: p.names[path], data: text(0), offset: number(3)}
			if strconv.Itoa(len(op.data)) != result {
				return fmt.Errorf("%d bytes are known of a write of %s", len(op.data), result)
			}
			p.ops = append(p.ops, op)
		}
	case "ftruncate":
		if path != "" {
			p.ops = append(p.ops, diskOp{kind: opTruncate, file: p.names[path], offset: number(1)})
		}
	default:
		if path != "" && path != p.dir {
			return fmt.Errorf("%s of %s is not modelled", name, path)
		}
	}
	return nil
}

func (p *process) opened(path, flags, fd string) {
	delete(p.fds, fd)
	if path == p.dir {
		p.fds[fd] = path
	}
	if !p.modelled(path) {
		return
	}
	p.fds[fd] = path
	if _, exists := p.names[path]; !exists {
		p.names[path] = p.files
		p.ops = append(p.ops, diskOp{kind: opCreate, file: p.files, path: path})
		p.files++
	}
	if strings.Contains(flags, "O_TRUNC") {
		p.ops = append(p.ops, diskOp{kind: opTruncate, file: p.names[path]})
	}
}

// image returns the files after a power failure before operation number crash. Synced
// operations survive. Changes of names survive in order, up to any one of them. Of the
// other writes, some survive: the first ones of each file, none, or any subset, whole
// or by sectors.
func (r *recording) image(crash int, rng *rand.Rand) map[string][]byte {
	durable := make(map[int]int) // by file: operations before this one are synced
	durableNames := 0
	for _, op := range r.ops[:crash] {
		switch op.kind {
		case opSync:
			durable[op.file] = op.covers
		case opSyncDir:
			durableNames = op.covers
		default: // not a sync
		}
	}
	how := rng.IntN(4)
	contents := make([][]byte, r.files)
	for file := range contents {
		end := crash // operations from here on are lost
		if how > 0 {
			end = durable[file] + rng.IntN(max(crash-durable[file], 0)+1)
		}
		for i, op := range r.ops[:crash] {
			if op.file != file || op.kind != opWrite && op.kind != opTruncate {
				continue
			}
			switch {
			case i < durable[file]:
				contents[file] = op.apply(contents[file])
			case how == 1: // only synced operations
			case how == 3: // any subset
				if rng.IntN(3) > 0 {
					contents[file] = op.tear(contents[file], rng)
				}
			case i == end-1:
				contents[file] = op.tear(contents[file], rng)
			case i < end:
				contents[file] = op.apply(contents[file])
			}
		}
	}
	if how > 0 {
		crash = durableNames + rng.IntN(crash-durableNames+1)
	}
	names := make(map[string]int)
	for _, op := range r.ops[:crash] {
		switch op.kind {
		case opCreate:
			names[op.path] = op.file
		case opRename:
			names[op.path] = names[op.from]
			delete(names, op.from)
		case opUnlink:
			delete(names, op.path)
		default: // does not change names
		}
	}
	image := make(map[string][]byte)
	for path, file := range names {
		image[filepath.Base(path)] = contents[file]
	}
	return image
}

// apply returns the content of a file after a write or truncation.
func (op *diskOp) apply(content []byte) []byte {
	end := op.offset + int64(len(op.data))
	switch {
	case op.kind == opTruncate && end < int64(len(content)):
		return content[:end:end]
	case end > int64(len(content)):
		content = append(content, make([]byte, end-int64(len(content)))...)
	}
	copy(content[op.offset:], op.data)
	return content
}

// tear applies an operation, or only some sectors of a write.
func (op *diskOp) tear(content []byte, rng *rand.Rand) []byte {
	if op.kind == opTruncate || rng.IntN(2) == 0 {
		return op.apply(content)
	}
	sector := int64([]int{512, 4096}[rng.IntN(2)])
	for from := op.offset; from < op.offset+int64(len(op.data)); {
		to := min(from-from%sector+sector, op.offset+int64(len(op.data)))
		if rng.IntN(2) == 0 {
			part := diskOp{kind: opWrite, offset: from, data: op.data[from-op.offset : to-op.offset]}
			content = part.apply(content)
		}
		from = to
	}
	return content
}

func TestImagesOfAPowerFailure(t *testing.T) {
	const page = 4096
	fill := func(c byte) []byte { return bytes.Repeat([]byte{c}, page) }
	r := recording{dir: "/d", files: 2, ops: []diskOp{
		{kind: opCreate, file: 0, path: "/d/new"},
		{kind: opWrite, file: 0, data: fill('a')},
		{kind: opSync, file: 0, covers: 2},
		{kind: opRename, from: "/d/new", path: "/d/db"},
		{kind: opSyncDir, covers: 4},
		{kind: opWrite, file: 0, data: fill('b')},
		{kind: opWrite, file: 0, offset: page, data: fill('c')},
		{kind: opCreate, file: 1, path: "/d/wal"},
		{kind: opWrite, file: 1, data: fill('d')},
	}}
	seen := make(map[string]int)
	for seed := range uint64(2000) {
		image := r.image(len(r.ops), rand.New(rand.NewPCG(seed, 1)))
		db, found := image["db"]
		if _, stillNew := image["new"]; !found || stillNew || len(db) < page {
			t.Fatalf("seed %d: what was synced is lost: %d files, %d bytes", seed, len(image), len(db))
		}
		switch {
		case strings.Trim(string(db[:page]), "ab") != "":
			t.Fatalf("seed %d: the database holds bytes that nobody wrote there", seed)
		case string(db[:page]) == string(fill('a')) && len(db) > page && db[page] == 'c':
			seen["the second write without the first"]++
		case bytes.ContainsRune(db[:page], 'a') && bytes.ContainsRune(db[:page], 'b'):
			seen["a torn write"]++
		}
		if wal, found := image["wal"]; found && len(wal) == 0 {
			seen["a file without its content"]++
		} else if !found {
			seen["no new file"]++
		}
	}
	for _, what := range []string{"the second write without the first", "a torn write", "a file without its content", "no new file"} {
		if seen[what] < 20 {
			t.Errorf("%d of 2000 images show %s, want some", seen[what], what)
		}
	}
}
