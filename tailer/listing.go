package tailer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/openfile"
)

// candidate is a file that may hold a stream of a source.
type candidate struct {
	path string
	real string // what path leads to if it is a symlink
	id   fileID
	live bool // named by the setting itself, not made by rotation
}

// name is the path under which a stream in the file is stored.
func (c candidate) name() string {
	if c.real != "" {
		return c.real
	}
	return c.path
}

// listing holds the files of a source: one or several live files, and what
// rotation made of them.
//
// Reading directories and calling stat for a year of rotated files many times a second
// costs more than following the log. So names are cached while the directories do not
// change. Rotated files are checked for a while after a change, because a writer may
// still have them open, and at long intervals.
type listing struct {
	pattern
	files       []candidate // the oldest first, then the live ones
	dirIDs      map[string]fileID
	trusted     bool      // a change of a directory would show in its time
	unseen      []string  // names that lead to what cannot be seen, see existing
	changedAt   time.Time // when the files last differed from those before
	statAllAt   time.Time // when stat was last called for every file
	absentSince time.Time // since when there is no live file; zero while there is one
	newest      time.Time // the newest UpdatedAt of the stored positions
}

const (
	// statAllFor is how long every scan checks all files after names changed.
	statAllFor = 30 * time.Second
	// statAllInterval is the pause between checks of all files if nothing changes.
	statAllInterval = 2 * time.Minute
	// dirTimeResolution is the largest resolution of a directory's time.
	dirTimeResolution = 50 * time.Millisecond
)

// candidates returns the files of a source. If names have changed it lists them
// until two lists agree, so that a rotation in progress does not hide a file.
func (t *Tailer) candidates(source int) ([]candidate, error) {
	l := &t.listings[source]
	if t.refresh(l) {
		return l.files, nil
	}
	files, err := t.list(source)
	if err != nil {
		return nil, err
	}
	agree := false
	for range 5 {
		again, err := t.list(source)
		if err != nil {
			return nil, err
		}
		agree = slices.EqualFunc(files, again, sameFile)
		if files = again; agree {
			break
		}
	}
	if !agree {
		l.trusted = false // l.files is older than l.dirIDs
		return nil, errReplaced
	}
	now := t.o.Now()
	if !slices.EqualFunc(files, l.files, sameFile) {
		l.changedAt = now
	}
	l.files, l.statAllAt = files, now
	t.forgetNames()
	return files, nil
}

func sameFile(a, b candidate) bool {
	return a.path == b.path && a.real == b.real && a.id.file() == b.id.file()
}

// refresh updates the sizes and times of listed files without reading
// directories. It returns false if names have changed.
func (t *Tailer) refresh(l *listing) bool {
	if !l.trusted || !unchanged(l.dirIDs) || slices.ContainsFunc(l.unseen, canBeSeen) {
		return false
	}
	now, sorted := t.o.Now(), true
	all := now.Sub(l.changedAt) < statAllFor || now.Sub(l.statAllAt) >= statAllInterval || t.namesChanged
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
	if !unchanged(l.dirIDs) {
		return false
	}
	if all {
		l.statAllAt = now
	}
	if !sorted {
		slices.SortFunc(l.files, older)
	}
	return true
}

// unchanged reports whether no name was added to or removed from directories.
func unchanged(dirs map[string]fileID) bool {
	for dir, id := range dirs {
		if info, err := os.Stat(dir); err != nil || idOf(info) != id {
			return false
		}
	}
	return len(dirs) > 0
}

// list reads the directories of a source.
func (t *Tailer) list(source int) ([]candidate, error) {
	l := &t.listings[source]
	l.check()
	l.dirIDs, l.trusted = make(map[string]fileID), !l.variable()
	names := make(map[string]candidate) // by path
	for _, dir := range l.dirs() {
		if err := t.readDir(l, dir, l.base(), true, names); err != nil {
			return nil, err
		}
	}
	for _, c := range names {
		if !c.live {
			continue
		}
		// Rotation may take place in the directory that a symlink leads to.
		if real, err := filepath.EvalSymlinks(c.path); err == nil && real != c.path && isSymlink(c.path) {
			c.real = real
			names[c.path] = c
			if err := t.readDir(l, filepath.Dir(real), quoteMeta(filepath.Base(real)), false, names); err != nil {
				return nil, err
			}
		}
	}
	// A stream may be in a file whose name does not say so: what a symlink led to
	// before.
	for _, s := range t.streams {
		if s.source != source || s.Inode == 0 || s.Closed || s.Cursor != "" || s.Path == "" {
			continue
		}
		if _, listed := names[s.Path]; !listed {
			names[s.Path] = candidate{path: s.Path, id: fileID{device: s.Device, inode: s.Inode}}
		}
	}
	var files []candidate
	files, l.unseen = existing(names)
	return files, nil
}

// existing returns the regular files among names, sorted, each under one name, and the
// names that lead to what cannot be seen at present: for lack of a right, because a file
// server is away, or because a symlink leads nowhere. The directory does not change when
// that ends.
func existing(names map[string]candidate) (all []candidate, unseen []string) {
	reals := make(map[string]bool)
	for _, c := range names {
		reals[c.real] = true
	}
	for _, c := range names {
		info, err := os.Stat(c.path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) || isSymlink(c.path) {
				unseen = append(unseen, c.path)
			}
			continue
		}
		if !info.Mode().IsRegular() || reals[c.path] {
			continue // not a log, or listed under another name
		}
		id := idOf(info)
		if c.id.inode != 0 && c.id.file() != id.file() {
			continue // the name was given to another file
		}
		c.id = id
		all = append(all, c)
	}
	slices.SortFunc(all, older)
	return all, unseen
}

func canBeSeen(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readDir adds the names in a directory that match base, or that rotation makes
// of it. A directory that does not exist or may not be read adds none.
func (t *Tailer) readDir(l *listing, dir, base string, live bool, names map[string]candidate) error {
	f, err := t.open(dir)
	if outOfDescriptors(err) {
		return err // an empty list would look as if all files were deleted
	}
	if err != nil {
		return nil //nolint:nilerr // reportAbsent reports a directory that cannot be read
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	l.dirIDs[dir] = idOf(info)
	// The clock of the file system, which is not that of Now.
	if time.Since(info.ModTime()) < dirTimeResolution {
		l.trusted = false
	}
	all, err := f.Readdirnames(-1)
	if err != nil {
		l.trusted = false
	}
	for _, name := range all {
		path := filepath.Join(dir, name)
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
	return nil
}

// forgetNames drops what is known about names that are no longer listed.
func (t *Tailer) forgetNames() {
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
	for path := range t.unreadable {
		if !listed[path] {
			delete(t.unreadable, path)
		}
	}
	t.o.Retrying.Forget(func(what string) bool {
		path, ok := strings.CutPrefix(what, "read ")
		return ok && strings.Contains(path, "/") && !listed[path]
	})
}

// reportAbsent reports a source without a live file, unless rotation may have
// just renamed it and is about to create it.
func (t *Tailer) reportAbsent(source int, files []candidate) {
	l := &t.listings[source]
	what := "find " + l.text
	if slices.ContainsFunc(files, func(c candidate) bool { return c.live }) {
		l.absentSince = time.Time{}
		t.report(what, nil)
		return
	}
	if l.absentSince.IsZero() {
		l.absentSince = t.o.Now()
	}
	if _, err := os.Stat(filepath.Dir(l.text)); err != nil && (!l.variable() || !errors.Is(err, fs.ErrNotExist)) {
		t.report(what, err)
	} else if !t.scanned || t.o.Now().Sub(l.absentSince) > writerGrace {
		t.report(what, l.whyAbsent())
	}
}

// whyAbsent returns why a source has no live file.
func (l *listing) whyAbsent() error {
	f, err := openNow(filepath.Dir(l.text)) // rotated files are searched in it
	if err == nil {
		err = f.Close()
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; the user of the daemon must be able to list the directory", err)
	}
	switch info, err := os.Stat(l.text); {
	case err == nil:
		if other := openfile.Check(l.text, info); other != nil {
			return fmt.Errorf("%w; name a log file, or a glob", other)
		}
	case !errors.Is(err, fs.ErrNotExist) && !l.variable():
		return err
	}
	return errors.New("no such file yet")
}
