package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoServer is returned by Dial if nobody listens at the socket.
var ErrNoServer = errors.New("no daemon listens")

// Client is a connection to a daemon, for one command.
type Client struct {
	// Progress, Log and Waiting are called with what the daemon sends while the
	// command runs. They may be nil.
	Progress func(done, total int64)
	Log      func(*Record)
	Waiting  func() // another command runs first

	// PID and Version are those of the daemon, and Troubles what it could not do when
	// it accepted the connection.
	PID      int
	Version  string
	Troubles []string

	c     *net.UnixConn
	lines *bufio.Reader
}

// Dial connects to the daemon at a socket. It waits for the daemon to answer until ctx
// ends, and for silenceTimeout at most.
func Dial(ctx context.Context, path string) (*Client, error) {
	var c net.Conn
	err := inDirectory(path, func(short string) (err error) {
		c, err = (&net.Dialer{Timeout: silenceTimeout}).DialContext(ctx, "unix", short)
		return err
	})
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w at %s", ErrNoServer, path)
	case err != nil:
		return nil, err
	}
	client := &Client{c: c.(*net.UnixConn), lines: bufio.NewReader(c)}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	m, err := client.next()
	switch stop(); {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		err = ErrNoServer // it has just ended
	case err != nil:
	case m.Error != nil:
		err = m.Error
	case m.Hello == nil:
		err = errors.New("it is not a daemon of bouncetail, or one of another version")
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("socket for commands %s: %w", path, client.explained(err))
	}
	client.PID, client.Version, client.Troubles = m.Hello.PID, m.Hello.Version, m.Hello.Troubles
	return client, nil
}

// Close closes the connection. It cancels a command that still runs.
func (c *Client) Close() error { return c.c.Close() }

// Call runs a command in the daemon and stores its result, if there is one, in
// result. The daemon gets the descriptors of files, which the caller closes. If ctx
// ends, the command is canceled, and Call waits for what it says then. An error of
// the command is of type *Error.
func (c *Client) Call(ctx context.Context, command string, args any, files []*os.File, result any) error {
	if err := c.request(command, args, files); err != nil {
		return c.explained(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.c.CloseWrite() })
	defer stop()
	for {
		m, err := c.next()
		if err != nil {
			return c.explained(err)
		}
		switch {
		case m.last():
			if m.Result != nil {
				if err := json.Unmarshal(m.Result, result); err != nil {
					return fmt.Errorf("the answer of the daemon (version %s): %w", c.Version, err)
				}
			}
			if m.Error != nil {
				return m.Error
			}
			return nil
		case m.Waiting && c.Waiting != nil:
			c.Waiting()
		case m.Progress != nil && c.Progress != nil:
			c.Progress(m.Progress[0], m.Progress[1])
		case m.Log != nil && c.Log != nil:
			c.Log(m.Log)
		}
	}
}

// request sends a command.
func (c *Client) request(command string, args any, files []*os.File) error {
	encoded, err := json.Marshal(args)
	if err != nil {
		return err
	}
	line, err := json.Marshal(&request{Command: command, Args: encoded, Files: len(files)})
	if err != nil {
		return err
	}
	if err := c.c.SetWriteDeadline(time.Now().Add(silenceTimeout)); err != nil {
		return err
	}
	for len(files) > 0 {
		n := min(filesPerMessage, len(files))
		fds := make([]int, n)
		for i, f := range files[:n] {
			if fds[i], err = descriptor(f); err != nil {
				return err
			}
		}
		if _, _, err := c.c.WriteMsgUnix([]byte("\n"), unix.UnixRights(fds...), nil); err != nil {
			return err
		}
		files = files[n:]
	}
	_, err = c.c.Write(append(line, '\n'))
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil // the daemon says why in its last message
	}
	return err
}

// descriptor returns the descriptor of a file. Fd would make a pipe blocking, also
// for the daemon.
func descriptor(f *os.File) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}

// next returns the next message of the daemon.
func (c *Client) next() (*message, error) {
	if err := c.c.SetReadDeadline(time.Now().Add(silenceTimeout)); err != nil {
		return nil, err
	}
	line, err := c.lines.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	m := &message{}
	return m, json.Unmarshal(line, m)
}

// explained replaces an error of the connection by what it means.
func (c *Client) explained(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the daemon%s has not answered for %v; see systemctl status bouncetail, and restart it if it hangs", c.process(), silenceTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &Error{Text: fmt.Sprintf("the daemon%s has ended before the command was done", c.process()), Kind: KindStopped}
	}
	return err
}

func (c *Client) process() string {
	if c.PID == 0 {
		return ""
	}
	return fmt.Sprintf(" (process ID %d)", c.PID)
}
