package tailer

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// pattern is the path of a source in the settings: a file or a glob.
type pattern struct {
	text    string
	literal bool // a file with this very name was seen, so that "[" and "*" are no glob
}

// check decides whether the pattern names a file. A path such as "/srv/a[1]/log"
// is the file of that name if there is one, else a glob.
func (p *pattern) check() {
	if !p.literal {
		_, err := os.Lstat(p.text)
		p.literal = err == nil || !hasMeta(p.text)
	}
}

// base returns the glob for the last part of the path.
func (p *pattern) base() string {
	if p.literal {
		return quoteMeta(filepath.Base(p.text))
	}
	return filepath.Base(p.text)
}

// variable reports whether the directory is a glob, which other directories may
// match later.
func (p *pattern) variable() bool { return !p.literal && hasMeta(filepath.Dir(p.text)) }

// dirs returns the directories that the pattern names. If it is not a glob, the
// directory need not exist.
func (p *pattern) dirs() []string {
	dir := filepath.Dir(p.text)
	if !p.variable() {
		return []string{dir}
	}
	dirs, err := filepath.Glob(dir)
	if err != nil {
		return nil // New has refused the pattern
	}
	return dirs
}

func hasMeta(path string) bool { return strings.ContainsAny(path, `*?[\`) }

func quoteMeta(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// matchName reports whether a name matches the glob base, or is what rotation
// makes of a name that does:
//
//	mail.log.1  mail.log.2.gz  mail.log-20261123  mail.log_20261123  mail.log~    appended
//	mail.1.log  mail-20261123.log  mail.2026-11-23.log.gz                         before the extension
//
// The latter is what logrotate's "extension .log" gives. Only digits may stand
// there: mail.err.log is another log.
func matchName(base, name string) (isBase, isRotated bool) {
	if matches, err := filepath.Match(base, name); matches && err == nil {
		return true, false
	}
	for _, suffix := range []string{".*", "-*", "_*", "~*"} {
		if matches, err := filepath.Match(base+suffix, name); matches && err == nil {
			return false, true
		}
	}
	extension := filepath.Ext(base)
	stem := strings.TrimSuffix(base, extension)
	if extension == "" || stem == "" || hasMeta(extension) {
		return false, false
	}
	if end := filepath.Ext(name); end != extension && slices.Contains(archiveExtensions, end) {
		name = strings.TrimSuffix(name, end)
	}
	name, found := strings.CutSuffix(name, extension)
	if !found {
		return false, false
	}
	for i := len(name) - 1; i > 0 && strings.IndexByte("0123456789.-_:TZ", name[i]) >= 0; i-- {
		if strings.IndexByte(".-_", name[i]) < 0 || i+1 == len(name) || name[i+1] < '0' || name[i+1] > '9' {
			continue
		}
		if matches, err := filepath.Match(stem, name[:i]); matches && err == nil {
			return false, true
		}
	}
	return false, false
}

// archiveExtensions are what compression appends to names. What a file holds is
// seen by its first bytes.
var archiveExtensions = []string{".gz", ".bz2", ".xz", ".zst", ".zstd"}

// Files returns the files of a path or glob: the live ones, and those that
// rotation made of them, the oldest first.
func Files(path string) (live, rotated []string) {
	p := pattern{text: path}
	p.check()
	var all []candidate
	for _, dir := range p.dirs() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			isBase, isRotated := matchName(p.base(), e.Name())
			if !isBase && !isRotated {
				continue
			}
			c := candidate{path: filepath.Join(dir, e.Name()), live: isBase}
			info, err := os.Stat(c.path)
			if err != nil || isRotated && !info.Mode().IsRegular() {
				continue
			}
			c.id = idOf(info)
			all = append(all, c)
		}
	}
	slices.SortFunc(all, older)
	for _, c := range all {
		if c.live {
			live = append(live, c.path)
		} else {
			rotated = append(rotated, c.path)
		}
	}
	return live, rotated
}

func isSymlink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// older sorts rotated files before live ones, and then by the time of the last
// line. Files of the same time are sorted by their names: "mail.log.10" is older
// than "mail.log.9", and "-20261122" than "-20261123".
func older(a, b candidate) int {
	if a.live != b.live {
		if a.live {
			return 1
		}
		return -1
	}
	if c := a.id.modified.Compare(b.id.modified); c != 0 {
		return c
	}
	m, isCount := rotationNumber(a.path)
	n, isCountToo := rotationNumber(b.path)
	if isCount && isCountToo && m != n {
		return n - m
	}
	return strings.Compare(a.path, b.path)
}

// rotationNumber returns the number of a rotated file: 2 of "mail.log.2.gz" and
// of "mail.2.log".
func rotationNumber(path string) (n int, found bool) {
	for _, part := range slices.Backward(strings.Split(filepath.Base(path), ".")) {
		if n, err := strconv.Atoi(part); err == nil && len(part) < 5 { // longer ones are dates
			return n, true
		}
	}
	return 0, false
}
