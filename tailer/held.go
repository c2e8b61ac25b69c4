package tailer

import (
	"errors"
	"os"
	"syscall"
)

// The files of live logs are held open, so that a file is read to its end after
// it was deleted, and a busy log is not opened by every scan. If there are more
// logs than descriptors, those that have been quiet for longest are closed, and
// opened again when they change.

// reservedDescriptors is the number of descriptors that the rest of the process may
// need: the database and its log with several connections, inotify, standard streams,
// webhooks, and the directories and archives that a scan opens.
const reservedDescriptors = 40

// maxHeld returns how many files may be held open.
func maxHeld() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 100
	}
	limit.Cur = min(limit.Cur, 1<<20)
	return max(int(limit.Cur)-reservedDescriptors, 2)
}

// hold keeps the file of a stream open.
func (t *Tailer) hold(s *stream, f *os.File) {
	t.release(s)
	if t.maxHeld < 0 {
		f.Close()
		s.closed = true
		return
	}
	s.file, s.closed = f, false
	t.held++
	for t.held > t.maxHeld && t.closeQuietest(s) {
		if !t.warned {
			t.warned = true
			t.o.Log.Warn("too many logs to hold all open, opening quiet ones only when they change; raise LimitNOFILE in the unit",
				"held_open", t.maxHeld)
		}
	}
}

// release closes the file of a stream.
func (t *Tailer) release(s *stream) {
	if s.file != nil {
		s.file.Close()
		s.file = nil
		t.held--
	}
}

// closeQuietest closes the held file that has not grown for longest, except that
// of a stream. It returns false if there is none. A file without a name is not
// closed: it could not be opened again.
func (t *Tailer) closeQuietest(except *stream) bool {
	for {
		var quietest *stream
		for _, s := range t.streams {
			if s.file != nil && s != except && !s.unnamed && (quietest == nil || s.grownAt.Before(quietest.grownAt)) {
				quietest = s
			}
		}
		if quietest == nil {
			return false
		}
		info, err := quietest.file.Stat()
		if st, ok := infoStat(info); err == nil && ok && st.Nlink == 0 {
			quietest.unnamed = true
			continue
		}
		t.release(quietest)
		quietest.closed = true
		return true
	}
}

func infoStat(info os.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return st, ok
}

// open opens a file or directory. If no descriptor is left it closes quiet files.
func (t *Tailer) open(path string) (*os.File, error) {
	for {
		f, err := openNow(path)
		if !outOfDescriptors(err) || !t.closeQuietest(nil) {
			return f, err
		}
	}
}

// openNow opens a file or directory. It does not wait for a writer if a named pipe
// has taken its place.
func openNow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// outOfDescriptors reports whether the process or the system has no descriptor
// left.
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
