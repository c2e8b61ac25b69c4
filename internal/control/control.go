// Package control passes commands to a running daemon over a unix socket.
//
// Only root and the user of the daemon may connect: the socket has mode 0600, and
// the server checks the credentials of the peer. A connection carries one command.
// Every message is a line of JSON:
//
//	server: {"hello": {"pid": 4711, "version": "1.0.0", "troubles": ["cannot save: …"]}}
//	client: blank lines with file descriptors (SCM_RIGHTS), 100 on each
//	client: {"command": "import", "args": {…}, "files": 2}
//	server: any number of {"waiting": true}, {"progress": [10, 200]}, {"log": {…}}, {}
//	server: {"result": …}, or {"error": {"text": "…", "kind": "…"}} which may have a result too
//
// The server sends {} every few seconds, so that the client notices a daemon that
// hangs. The client cancels its command by closing its side of the connection; it
// can still read the answer. The kernel does the same for a client that is killed.
//
// Commands run one after another. A client cannot hold up the server: requests are
// limited in size and time, and a client that does not read loses its connection.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SocketOf returns the path of the socket of the daemon that writes a database. It
// is next to the database, so that the path of the database leads to its daemon.
func SocketOf(database string) string {
	if real, err := filepath.EvalSymlinks(database); err == nil {
		database = real
	}
	return database + ".sock"
}

// Error is an error of a command that ran in the daemon.
type Error struct {
	Text string `json:"text"`
	// Kind is what a caller distinguishes, in words that server and client agree on;
	// empty for most errors.
	Kind string `json:"kind,omitempty"`
}

func (e *Error) Error() string { return e.Text }

// Record is a log record of a command.
type Record struct {
	Level   int    `json:"level"`
	Message string `json:"message"`
	Attrs   []Attr `json:"attrs,omitempty"`
}

// Attr is an attribute of a log record.
type Attr struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// The kinds of errors of a command that ended with its server.
const (
	KindStopped    = "stopped"
	KindNotStarted = "not started" // can be sent again
)

// hello is the first message of a server.
type hello struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// Troubles are sentences that begin with what the daemon cannot do at present.
	Troubles []string `json:"troubles,omitempty"`
}

// request is the message of a client.
type request struct {
	Command string          `json:"command"`
	Args    json.RawMessage `json:"args,omitempty"`
	Files   int             `json:"files,omitempty"` // descriptors that were sent before
}

// message is a message of a server. One without a field shows that it is alive.
type message struct {
	Hello    *hello          `json:"hello,omitempty"`
	Waiting  bool            `json:"waiting,omitempty"` // for another command to end
	Progress *[2]int64       `json:"progress,omitempty"`
	Log      *Record         `json:"log,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *Error          `json:"error,omitempty"`
}

// last reports whether a message ends the command.
func (m *message) last() bool { return m.Result != nil || m.Error != nil }

// Limits of a connection.
const (
	maxConnections  = 16
	maxRequest      = 16 << 20 // bytes
	maxFiles        = 10_000
	filesPerMessage = 100 // the kernel allows 253
	requestTimeout  = 10 * time.Second
	writeTimeout    = 5 * time.Second
	aliveInterval   = 5 * time.Second
	silenceTimeout  = 30 * time.Second // of the server, as the client sees it
)

// inDirectory calls do with a path to the socket that is short enough for the
// kernel, which allows 107 bytes.
func inDirectory(path string, do func(path string) error) error {
	const longest = 107
	if len(path) <= longest {
		return do(path)
	}
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	defer unix.Close(dir)
	short := filepath.Join("/proc/self/fd", strconv.Itoa(dir), filepath.Base(path))
	if len(short) > longest {
		return fmt.Errorf("the name of %s is too long for a socket", path)
	}
	return do(short)
}

// listen creates the socket. The caller holds the lock of the database, so a socket
// that exists was left by a daemon that was killed.
func listen(ctx context.Context, path string) (l *net.UnixListener, err error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, errors.New("something that is no socket has this name; remove it")
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		// The kernel gives the file the mode of the socket, so that it never has another.
		return errorOf(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }), &err)
	}}
	err = inDirectory(path, func(short string) error {
		any, err := config.Listen(ctx, "unix", short)
		if err == nil {
			l = any.(*net.UnixListener)
			l.SetUnlinkOnClose(false) // the short path may be another one by then
		}
		return err
	})
	return l, err
}

// errorOf returns the error of a call, or the one that was set in it.
func errorOf(err error, inner *error) error {
	if err != nil {
		return err
	}
	return *inner
}

// peer returns the user and the process at the other end of a connection.
func peer(c *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) { cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return cred, errorOf(err, &inner)
}
