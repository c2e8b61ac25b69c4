package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Server runs the commands of clients. All fields but Troubles are required.
type Server struct {
	// Handle runs a command. Its context ends when the client cancels or is gone, and
	// when the server ends. The result is sent also if there is an error, unless it
	// is nil.
	Handle func(ctx context.Context, r *Request) (result any, err error)
	// Kind returns the kind of an error; see Error.
	Kind func(error) string
	// Troubles returns what the daemon cannot do at present. It must not block. nil means
	// nothing.
	Troubles func() []string
	Version  string
	Log      *slog.Logger

	turn chan struct{} // holds a value while no command runs

	// Shorter in tests.
	requestTimeout, writeTimeout time.Duration
}

// Request is a command of a client.
type Request struct {
	Command string
	Args    json.RawMessage
	Files   []*os.File // that the client has opened; closed when the command ends
	Log     *slog.Logger
	PID     int // of the client

	reply        *reply
	lastProgress time.Time
}

// Progress shows the client how far the command is.
func (r *Request) Progress(done, total int64) {
	if now := time.Now(); done == total || now.Sub(r.lastProgress) > 100*time.Millisecond {
		r.lastProgress = now
		r.reply.send(&message{Progress: &[2]int64{done, total}})
	}
}

// Serve accepts clients at a socket until ctx ends. It starts a goroutine; wait
// cancels nothing, but returns when all commands have ended and the socket is removed.
func (s *Server) Serve(ctx context.Context, path string) (wait func(), err error) {
	l, err := listen(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("socket for commands %s: %w", path, err)
	}
	s.requestTimeout, s.writeTimeout = cmp.Or(s.requestTimeout, requestTimeout), cmp.Or(s.writeTimeout, writeTimeout)
	s.turn = make(chan struct{}, 1)
	s.turn <- struct{}{}
	var all sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { l.Close() })
	all.Go(func() {
		s.accept(ctx, l, &all)
		stop()
		l.Close()
		_ = os.Remove(path) // the next daemon removes it otherwise
	})
	return all.Wait, nil
}

// accept serves each client in a separate goroutine.
func (s *Server) accept(ctx context.Context, l *net.UnixListener, all *sync.WaitGroup) {
	slots := make(chan struct{}, maxConnections)
	for {
		c, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				c.Close()
			}
			return
		case err != nil: // no descriptors are left, for example
			s.Log.Warn("cannot accept a command, retrying in a second", "error", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		select {
		case slots <- struct{}{}:
			all.Go(func() {
				defer func() { <-slots }()
				defer c.Close()
				s.serve(ctx, c)
			})
		default:
			s.refuse(c, "too many commands wait for the daemon; try again later")
			c.Close()
		}
	}
}

// refuse says why a client is not served.
func (s *Server) refuse(c *net.UnixConn, why string) {
	(&reply{c: c, timeout: s.writeTimeout}).send(&message{Error: &Error{Text: why}})
}

// serve runs the command of one client.
func (s *Server) serve(server context.Context, c *net.UnixConn) {
	cred, err := peer(c)
	if err != nil || cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		s.Log.Warn("refused a connection: only root and the daemon's own user may send commands", "error", err, "peer", fmt.Sprintf("%+v", cred))
		s.refuse(c, "only root and the user of the daemon may send it commands")
		return
	}
	ctx, cancel := context.WithCancel(server)
	defer cancel()
	to := &reply{c: c, timeout: s.writeTimeout, cancel: cancel}
	h := &hello{PID: os.Getpid(), Version: s.Version}
	if s.Troubles != nil {
		h.Troubles = s.Troubles()
	}
	to.send(&message{Hello: h})
	in := &incoming{c: c}
	defer in.close()
	_ = c.SetReadDeadline(time.Now().Add(s.requestTimeout))
	stop := context.AfterFunc(server, func() { _ = c.SetReadDeadline(time.Now()) })
	defer stop()
	r, err := in.read()
	if server.Err() != nil {
		to.answer(nil, &stopped)
		return
	}
	if err != nil {
		s.Log.Debug("no command came on a connection", "error", err)
		to.send(&message{Error: &Error{Text: err.Error()}})
		return
	}
	r.reply, r.PID, r.Log = to, int(cred.Pid), slog.New(&forwarder{to: to})
	var watching sync.WaitGroup
	watching.Go(func() { in.watch(cancel) })
	watching.Go(func() { to.keepAlive(ctx) })
	result, err := s.run(ctx, r)
	cancel()
	_ = c.SetReadDeadline(time.Now()) // ends in.watch
	watching.Wait()
	switch {
	case errors.Is(err, errNotStarted):
		to.answer(nil, &stopped)
	case err != nil && server.Err() != nil:
		to.answer(result, &Error{Text: "the daemon was stopped, or has read new settings, before the command was done", Kind: KindStopped})
	case err != nil:
		to.answer(result, &Error{Text: err.Error(), Kind: s.Kind(err)})
	default:
		to.answer(result, nil)
	}
}

// stopped is the answer to a command that the server did not start.
var stopped = Error{Text: "the daemon was stopped, or reads new settings", Kind: KindNotStarted}

var errNotStarted = errors.New("not started")

// run runs a command when it is its turn.
func (s *Server) run(ctx context.Context, r *Request) (result any, err error) {
	select {
	case <-s.turn:
	default:
		r.reply.send(&message{Waiting: true})
		select {
		case <-s.turn:
		case <-ctx.Done():
			return nil, errNotStarted
		}
	}
	defer func() { s.turn <- struct{}{} }()
	s.Log.Info("command started", "command", r.Command, "client_pid", r.PID)
	begun := time.Now()
	result, err = s.Handle(ctx, r)
	took := time.Since(begun).Round(time.Millisecond)
	switch {
	case err != nil && ctx.Err() != nil:
		s.Log.Info("command interrupted", "command", r.Command, "took", took)
	case err != nil: // the client says why; an error may name an address
		s.Log.Info("command failed", "command", r.Command, "took", took)
		s.Log.Debug("command failed", "command", r.Command, "error", err)
	default:
		s.Log.Info("command done", "command", r.Command, "took", took)
	}
	return result, err
}

// incoming reads the request of a client.
type incoming struct {
	c     *net.UnixConn
	files []*os.File
}

// read returns the request, with the files that came before it.
func (in *incoming) read() (*Request, error) {
	line, err := in.line()
	if err != nil {
		return nil, err
	}
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("the command is not JSON of this protocol: %w", err)
	}
	if r.Files != len(in.files) {
		return nil, fmt.Errorf("%d files came with the command, which names %d", len(in.files), r.Files)
	}
	return &Request{Command: r.Command, Args: r.Args, Files: in.files}, in.c.SetReadDeadline(time.Time{})
}

// line returns the first line that is not blank, and collects descriptors.
func (in *incoming) line() ([]byte, error) {
	var line []byte
	buf := make([]byte, 64<<10)
	oob := make([]byte, unix.CmsgSpace(4*253)) // the most that the kernel passes at once
	for {
		n, oobn, flags, _, err := in.c.ReadMsgUnix(buf, oob)
		if err := in.take(oob[:oobn]); err != nil {
			return nil, err
		}
		switch {
		case flags&unix.MSG_CTRUNC != 0:
			return nil, errors.New("too many files for the limit of descriptors; name fewer")
		case err != nil:
			return nil, err
		case n == 0:
			return nil, errors.New("the client has closed the connection")
		}
		line = bytes.TrimLeft(append(line, buf[:n]...), "\n")
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			return line[:end], nil
		}
		if len(line) > maxRequest {
			return nil, fmt.Errorf("the command is longer than %d MB; split it", maxRequest>>20)
		}
	}
}

// take keeps the descriptors in control messages.
func (in *incoming) take(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // another kind of message
		}
		for _, fd := range fds {
			in.files = append(in.files, os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d of the client", len(in.files)+1)))
		}
	}
	if len(in.files) > maxFiles {
		return fmt.Errorf("more than %d files; import them in several commands", maxFiles)
	}
	return nil
}

// watch calls gone when the client closes its side or sends more, or is killed.
func (in *incoming) watch(gone func()) {
	var one [1]byte
	if _, err := in.c.Read(one[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		gone()
	}
}

func (in *incoming) close() {
	for _, f := range in.files {
		f.Close()
	}
}
