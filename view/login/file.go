// Package login decides who may see the pages of bouncetail web: users with passwords,
// programs with tokens, and browsers with sessions.
//
// Users and tokens are lines of two files that root owns. They are read again when they
// change, so that somebody who is removed is logged out at once.
package login

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/openfile"
)

// maxFile is the largest file of users or tokens.
const maxFile = 1 << 20

// file is a file of lines that is read again when it changes.
type file[T any] struct {
	path  string
	parse func(line string) (name string, of T, err error)

	mu    sync.Mutex
	seen  os.FileInfo // nil before the first reading
	lines map[string]T
	err   error
}

// read returns the lines by name. After an error nobody is admitted.
func (f *file[T]) read() (map[string]T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.Size() == info.Size() && f.seen.ModTime().Equal(info.ModTime()) {
		return f.lines, f.err
	}
	f.seen = info
	f.lines, f.err = f.load()
	return f.lines, f.err
}

func (f *file[T]) load() (map[string]T, error) {
	content, err := f.content()
	if err != nil {
		return nil, err
	}
	lines := make(map[string]T)
	n := 0
	for line := range strings.Lines(content) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, of, err := f.parse(line)
		if err == nil {
			if _, twice := lines[name]; twice {
				err = fmt.Errorf("there is another line of %s", name)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", f.path, n, err)
		}
		lines[name] = of
	}
	return lines, nil
}

func (f *file[T]) content() (string, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return "", err
	}
	if err := openfile.CheckRegular(f.path, info); err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return "", fmt.Errorf("%s has the mode %#o, so that every user of the machine can open it; chmod o= %s", f.path, mode, f.path)
	}
	content, err := openfile.Read(f.path, maxFile)
	return string(content), err
}

// set replaces the line of a name, and removes it if the new one is empty. A file that
// does not exist is created for root and the group of the daemon.
func (f *file[T]) set(name, line string) error {
	content, err := f.content()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var kept bytes.Buffer
	found := false
	for old := range strings.Lines(content) {
		if of, _, err := f.parse(strings.TrimSpace(old)); err == nil && of == name {
			found = true
			continue
		}
		kept.WriteString(strings.TrimSuffix(old, "\n") + "\n")
	}
	if line != "" {
		kept.WriteString(line + "\n")
	} else if !found {
		return fmt.Errorf("%s has no line of %s", f.path, name)
	}
	return f.write(kept.Bytes())
}

func (f *file[T]) write(content []byte) error {
	to, err := atomicfile.Create(f.path, 0o640)
	if err != nil {
		return err
	}
	defer func() { _ = to.Abort() }()
	uid, gid := -1, -1
	if info, err := os.Stat(f.path); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(stat.Uid), int(stat.Gid)
		}
	} else if group, err := user.LookupGroup("bouncetail"); err == nil && os.Geteuid() == 0 {
		gid, _ = strconv.Atoi(group.Gid)
	}
	if err := to.Chown(uid, gid); err != nil {
		return err
	}
	if _, err := to.Write(content); err != nil {
		return err
	}
	return to.Commit()
}

// checkName returns an error for a name that cannot be that of a user or a token.
func checkName(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-"
	if name == "" || len(name) > 64 || strings.Trim(name, allowed) != "" {
		return fmt.Errorf("%.80q is not a name: use up to 64 letters, digits and . _ @ -", name)
	}
	return nil
}
