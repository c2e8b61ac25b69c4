package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// serve starts a server that ends with the test, and returns its socket.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.db.sock")
	s.Log, s.Version = slog.New(slog.DiscardHandler), "1.2.3"
	if s.Kind == nil {
		s.Kind = func(error) string { return "" }
	}
	ctx, stop := context.WithCancel(t.Context())
	wait, err := s.Serve(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		within(t, "the server to end", wait)
	})
	return path
}

// within fails the test if do takes too long.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { do(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(_ context.Context, r *Request) (any, error) { return r.Command, nil }

func TestCallPassesArgumentsFilesAndAnswers(t *testing.T) {
	kindOf := func(err error) string { return "kind of " + err.Error() }
	path := serve(t, &Server{Kind: kindOf, Handle: func(_ context.Context, r *Request) (any, error) {
		r.Log.With("a", 1).Warn("logged", "b", time.Second)
		r.Progress(5, 5)
		var args []string
		if err := json.Unmarshal(r.Args, &args); err != nil {
			return nil, err
		}
		for _, f := range r.Files {
			content, err := io.ReadAll(f)
			if err != nil {
				return nil, err
			}
			args = append(args, string(content))
		}
		if r.PID != os.Getpid() {
			t.Errorf("the client is process %d, want %d", r.PID, os.Getpid())
		}
		return args, errors.New("partly")
	}})
	want := []string{"first"}
	var files []*os.File
	for i := range 2*filesPerMessage + 1 { // more than one message
		name := filepath.Join(t.TempDir(), "f")
		content := fmt.Sprint("file ", i)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files, want = append(files, f), append(want, content)
	}
	c := dial(t, path)
	if c.PID != os.Getpid() || c.Version != "1.2.3" {
		t.Errorf("the server is process %d of version %q", c.PID, c.Version)
	}
	var said []string
	c.Log = func(r *Record) { said = append(said, fmt.Sprint(r.Level, r.Message, r.Attrs)) }
	c.Progress = func(done, total int64) { said = append(said, fmt.Sprint(done, "/", total)) }
	var got []string
	err := c.Call(t.Context(), "a command", []string{"first"}, files, &got)
	if !slices.Equal(got, want) {
		t.Errorf("result %q, want %q", got, want)
	}
	var e *Error
	if !errors.As(err, &e) || *e != (Error{"partly", "kind of partly"}) {
		t.Errorf("error %#v", err)
	}
	if want := []string{"4logged[{a 1} {b 1s}]", "5/5"}; !slices.Equal(said, want) {
		t.Errorf("the server said %q, want %q", said, want)
	}
}

// A client that cancels gets the answer to that, and one that is gone ends its
// command too.
func TestACommandEndsWithItsClient(t *testing.T) {
	ended := make(chan struct{}, 1)
	started := make(chan struct{}, 1)
	path := serve(t, &Server{Handle: func(ctx context.Context, _ *Request) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return "half", ctx.Err()
	}})
	c := dial(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	var got string
	if err := c.Call(ctx, "x", nil, nil, &got); err == nil || err.Error() != "context canceled" || got != "half" {
		t.Errorf("canceled command: %q, %v", got, err)
	}
	<-ended
	c = dial(t, path)
	if err := c.request("x", nil, nil); err != nil {
		t.Fatal(err)
	}
	<-started
	c.Close()
	within(t, "the command of a client that is gone", func() { <-ended })
}

func TestTheServerEndsItsCommands(t *testing.T) {
	started := make(chan struct{})
	s := &Server{Log: slog.New(slog.DiscardHandler), Kind: func(error) string { return "" }, Handle: func(ctx context.Context, _ *Request) (any, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	path := filepath.Join(t.TempDir(), "s")
	ctx, stop := context.WithCancel(t.Context())
	wait, err := s.Serve(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	c, silent := dial(t, path), dial(t, path)
	go func() { <-started; stop() }()
	var e *Error
	if err := c.Call(t.Context(), "x", nil, nil, nil); !errors.As(err, &e) || e.Kind != KindStopped {
		t.Errorf("Call: %v, want an error of kind %s", err, KindStopped)
	}
	within(t, "the server to end while a client says nothing", wait)
	if err := silent.Call(t.Context(), "x", nil, nil, nil); !errors.As(err, &e) {
		t.Errorf("Call after the end: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNoServer) {
		t.Errorf("Dial without a server: %v, want %v", err, ErrNoServer)
	}
}

// Commands run one after another, and too many are refused at once.
func TestManyClients(t *testing.T) {
	var running, most atomic.Int32
	release := make(chan struct{})
	path := serve(t, &Server{Handle: func(context.Context, *Request) (any, error) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		<-release
		return nil, nil
	}})
	done := make(chan error, maxConnections)
	waiting := make(chan struct{}, maxConnections)
	for range maxConnections {
		c := dial(t, path)
		c.Waiting = func() { waiting <- struct{}{} }
		var none any
		go func() { done <- c.Call(t.Context(), "x", nil, nil, &none) }()
	}
	for range maxConnections - 1 {
		<-waiting
	}
	if _, err := Dial(t.Context(), path); err == nil || !strings.Contains(err.Error(), "too many commands") {
		t.Errorf("one client more: %v", err)
	}
	close(release)
	for range maxConnections {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d commands ran at a time", most.Load())
	}
}

// What is no command costs no descriptors, and no time of others.
func TestGarbageIsRefused(t *testing.T) {
	path := serve(t, &Server{Handle: echo, requestTimeout: 100 * time.Millisecond})
	before := openDescriptors(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, send := range map[string]string{
		"nothing":            "",
		"no JSON":            "\x00\xff{{{\n",
		"half a line":        `{"command": "x"`,
		"another type":       "[1, 2]\n",
		"files that came":    `{"command": "x"}` + "\n",
		"files that did not": `{"command": "x", "files": 9}` + "\n",
		"an endless line":    strings.Repeat("x", maxRequest+1),
	} {
		c := dial(t, path)
		if name != "files that did not" && name != "nothing" {
			if _, _, err := c.c.WriteMsgUnix([]byte("\n"), unix.UnixRights(int(null.Fd()), int(null.Fd())), nil); err != nil {
				t.Fatal(err)
			}
		}
		go io.WriteString(c.c, send) //nolint:errcheck // the server closes the connection
		within(t, name, func() {
			m, err := c.next()
			if err == nil && m.Error == nil {
				t.Errorf("%s: the server answers %+v", name, m)
			}
		})
		c.Close()
	}
	var got string
	if err := dial(t, path).Call(t.Context(), "good", nil, nil, &got); err != nil || got != "good" {
		t.Errorf("a good command after that: %q, %v", got, err)
	}
	deadline := time.Now().Add(time.Minute)
	for openDescriptors(t) > before+8 { // the connections of this test
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors are open, %d were before", openDescriptors(t), before)
		}
		time.Sleep(10 * time.Millisecond) // connections are closed by goroutines
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestAClientThatDoesNotReadIsDropped(t *testing.T) {
	ended := make(chan struct{})
	path := serve(t, &Server{writeTimeout: 100 * time.Millisecond, Handle: func(ctx context.Context, r *Request) (any, error) {
		defer close(ended)
		for ctx.Err() == nil {
			r.Log.Info("a long line", "text", strings.Repeat("x", 10_000))
		}
		return nil, ctx.Err()
	}})
	c := dial(t, path)
	if err := c.request("x", nil, nil); err != nil {
		t.Fatal(err)
	}
	within(t, "the command of a client that does not read", func() { <-ended })
}

func TestTheSocketIsTheOwners(t *testing.T) {
	dir := t.TempDir()
	for len(dir) < 200 { // longer than the path of a socket may be
		dir = filepath.Join(dir, strings.Repeat("d", 50))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "b.db.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := os.Rename(left.Addr().String(), path); err != nil { // of a daemon that was killed
		t.Fatal(err)
	}
	left.Close()
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNoServer) {
		t.Errorf("Dial of a socket that was left: %v, want %v", err, ErrNoServer)
	}
	s := &Server{Log: slog.New(slog.DiscardHandler), Kind: func(error) string { return "" }, Handle: echo}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	old := unix.Umask(0)
	wait, err := s.Serve(ctx, path)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket has mode %v (%v), want 0600", info.Mode(), err)
	}
	var got string
	if err := dial(t, path).Call(t.Context(), "x", nil, nil, &got); err != nil || got != "x" {
		t.Errorf("Call by a long path: %q, %v", got, err)
	}
	stop()
	wait()

	if err := os.WriteFile(path, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Serve(t.Context(), path); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("Serve at a file that is no socket: %v, want an error that says what to do", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "keep" {
		t.Errorf("the file holds %q, %v", content, err)
	}
}
