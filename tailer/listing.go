package tailer

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// candidate is a file that may hold a stream of a source.
type candidate struct {
	path string
	real string // what path leads to, where it is a symlink
	id   fileID
	live bool // named by the setting itself, not made by rotation
}

// name is the path under which a stream in it is stored.
func (c candidate) name() string {
	if c.real != "" {
		return c.real
	}
	return c.path
}

// listing is what a source has: a file, or several where it is a glob, and what
// rotation made of them.
//
// To read folders and ask after a year of rotated files many times a second
// costs more than to follow the log. So the names are kept as long as the
// folders have not changed, and rotated files are only asked after for a while
// after a change, when a writer may still hold them, and now and then.
type listing struct {
	pattern string
	files   []candidate // the oldest first, then the live ones
	folders map[string]fileID
	trusted bool      // a change of a folder would show in its time
	changed time.Time // when other files were last found than before
	whole   time.Time // when every file was last asked after
	missed  time.Time // since when there is no live file; zero while there is
}

const (
	// restless is how long all files are asked after at every look once the
	// names have changed.
	restless = 30 * time.Second
	// recheck is how often they are asked after even so.
	recheck = 2 * time.Minute
	// coarse is how coarse the time of a folder may be.
	coarse = 50 * time.Millisecond
)

// candidates returns the files of a source. Where names have changed it looks
// again until two looks agree, so that a rotation that is under way does not
// hide a file; it gives up after some.
func (t *Tailer) candidates(source int) ([]candidate, error) {
	l := &t.listings[source]
	if t.ask(l) {
		return l.files, nil
	}
	files, agree := t.list(source), false
	for range 5 {
		again := t.list(source)
		agree = slices.EqualFunc(files, again, sameFile)
		if files = again; agree {
			break
		}
	}
	if !agree {
		l.trusted = false // the names that are kept are older
		return nil, errExchanged
	}
	now := t.o.Now()
	if !slices.EqualFunc(files, l.files, sameFile) {
		l.changed = now
	}
	l.files, l.whole = files, now
	t.forget()
	return files, nil
}

func sameFile(a, b candidate) bool {
	return a.path == b.path && a.real == b.real && a.id.file() == b.id.file()
}

// ask brings what is listed up to date without reading folders. It reports
// false where that does not do, because names have changed.
func (t *Tailer) ask(l *listing) bool {
	if !l.trusted || !unchanged(l.folders) {
		return false
	}
	now, sorted := t.o.Now(), true
	all := now.Sub(l.changed) < restless || now.Sub(l.whole) >= recheck || t.stirred
	for i := range l.files {
		c := &l.files[i]
		if !c.live && !all && t.done[c.path] == c.id {
			continue
		}
		info, err := os.Stat(c.path)
		if err != nil || !info.Mode().IsRegular() || idOf(info).file() != c.id.file() {
			return false
		}
		sorted = sorted && c.id.modified.Equal(info.ModTime())
		c.id = idOf(info)
	}
	if !unchanged(l.folders) {
		return false
	}
	if all {
		l.whole = now
	}
	if !sorted {
		slices.SortFunc(l.files, older)
	}
	return true
}

// unchanged reports whether no name came to folders or went from them.
func unchanged(folders map[string]fileID) bool {
	for folder, id := range folders {
		if info, err := os.Stat(folder); err != nil || idOf(info) != id {
			return false
		}
	}
	return len(folders) > 0
}

// list reads the folders of a source.
func (t *Tailer) list(source int) []candidate {
	l := &t.listings[source]
	l.folders, l.trusted = make(map[string]fileID), !hasMeta(filepath.Dir(l.pattern))
	names := make(map[string]candidate) // by path
	for _, folder := range foldersOf(l.pattern) {
		l.read(folder, filepath.Base(l.pattern), true, names)
	}
	for _, c := range names {
		if !c.live {
			continue
		}
		// Rotation may take place where a symlink leads to.
		if real, err := filepath.EvalSymlinks(c.path); err == nil && real != c.path && isSymlink(c.path) {
			c.real = real
			names[c.path] = c
			l.read(filepath.Dir(real), filepath.Base(real), false, names)
		}
	}
	// A stream whose file has a name that does not say so: what a symlink led to
	// before.
	for _, s := range t.streams {
		if s.source != source || s.Inode == 0 || s.Closed || s.Cursor != "" || s.Path == "" {
			continue
		}
		if _, listed := names[s.Path]; !listed {
			names[s.Path] = candidate{path: s.Path, id: fileID{device: s.Device, inode: s.Inode}}
		}
	}
	var all []candidate
	reals := make(map[string]bool)
	for _, c := range names {
		reals[c.real] = true
	}
	for _, c := range names {
		info, err := os.Stat(c.path)
		if err != nil || !info.Mode().IsRegular() || reals[c.path] {
			continue // gone meanwhile, no log, or listed by another name
		}
		id := idOf(info)
		if c.id.inode != 0 && c.id.file() != id.file() {
			continue // the name was given to another file
		}
		c.id = id
		all = append(all, c)
	}
	slices.SortFunc(all, older)
	return all
}

// read adds the names in a folder that are base or made of it by rotation.
func (l *listing) read(folder, base string, live bool, names map[string]candidate) {
	f, err := os.Open(folder)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	l.folders[folder] = idOf(info)
	// The file system's time, and so not that of Now.
	if time.Since(info.ModTime()) < coarse {
		l.trusted = false
	}
	all, err := f.Readdirnames(-1)
	if err != nil {
		l.trusted = false
	}
	if !live {
		base = quoteMeta(base)
	}
	for _, name := range all {
		path := filepath.Join(folder, name)
		if _, known := names[path]; known {
			continue
		}
		switch isBase, isRotated := matchName(base, name); {
		case isBase && live:
			names[path] = candidate{path: path, live: true}
		case isRotated:
			names[path] = candidate{path: path}
		}
	}
}

// matchName reports whether a name is meant by the last part of a setting, or
// was made of it by rotation.
func matchName(base, name string) (isBase, isRotated bool) {
	if ok, err := filepath.Match(base, name); ok && err == nil {
		return true, false
	}
	for _, more := range []string{".*", "-*"} {
		if ok, err := filepath.Match(base+more, name); ok && err == nil {
			return false, true
		}
	}
	return false, false
}

// foldersOf returns the folders of a pattern; those that are not there too,
// where it names one.
func foldersOf(pattern string) []string {
	dir := filepath.Dir(pattern)
	if !hasMeta(dir) {
		return []string{dir}
	}
	folders, err := filepath.Glob(dir)
	if err != nil {
		return nil // refused in New
	}
	return folders
}

func hasMeta(path string) bool { return strings.ContainsAny(path, `*?[\`) }

func quoteMeta(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

func isSymlink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// forget drops what was noted of names that are no more.
func (t *Tailer) forget() {
	listed := make(map[string]bool)
	for i := range t.listings {
		for _, c := range t.listings[i].files {
			listed[c.path] = true
		}
	}
	for path := range t.done {
		if !listed[path] {
			delete(t.done, path)
		}
	}
	for path := range t.denied {
		if !listed[path] {
			delete(t.denied, path)
		}
	}
	t.o.Retrying.Forget(func(what string) bool {
		path, ok := strings.CutPrefix(what, "read ")
		return ok && strings.Contains(path, "/") && !listed[path]
	})
}

// older puts what rotation made before what is live, by the time of the last
// line; files of the same moment by the numbers in their names, of which
// "mail.log.10" is older than "mail.log.9", and "-20261122" than "-20261123".
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
	m, isCount := count(a.path)
	n, isCountToo := count(b.path)
	if isCount && isCountToo && m != n {
		return n - m
	}
	return strings.Compare(a.path, b.path)
}

// count returns the number that a rotated file counts: 2 of "mail.log.2.gz".
func count(path string) (n int, ok bool) {
	for _, part := range slices.Backward(strings.Split(filepath.Base(path), ".")) {
		if n, err := strconv.Atoi(part); err == nil && len(part) < 5 { // longer ones are dates
			return n, true
		}
	}
	return 0, false
}
