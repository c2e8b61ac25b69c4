package web_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/view/web"
)

func TestOtherMachinesCannotReachItWithoutALogin(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"} {
		l, err := web.Listen(address, false)
		if err == nil {
			l.Close()
			t.Errorf("listens on %q", address)
		} else if !strings.Contains(err.Error(), "web.users_file") || !strings.Contains(err.Error(), "bouncetail web passwd") {
			t.Errorf("%s: %v; it does not name the next step", address, err)
		}
	}
	for _, address := range []string{"example.com:80", "80", ""} {
		if l, err := web.Listen(address, true); err == nil {
			l.Close()
			t.Errorf("listens on %q", address)
		}
	}
	for address, login := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "0.0.0.0:0": true, ":0": true} {
		l, err := web.Listen(address, login)
		if err != nil {
			t.Errorf("does not listen on %q: %v", address, err)
			continue
		}
		l.Close()
	}
}

func TestSocketIsForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := web.Listen("unix:"+path, false)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has the mode %v: %v", info.Mode(), err)
	}
	if _, err := web.Listen("unix:"+path, false); err == nil {
		t.Error("a socket that is in use is taken away")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as a process that is killed
	l.Close()
	l, err = web.Listen("unix:"+path, false)
	if err != nil {
		t.Fatalf("a socket that was left is in the way: %v", err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := web.Listen("unix:"+path, false); err == nil {
		t.Error("a file is replaced by a socket")
	}
}

func TestEndsWithoutRequests(t *testing.T) {
	t.Parallel() // it waits
	l, err := web.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- site("").Serve(context.Background(), l, 4*time.Second) }()
	for range 3 {
		time.Sleep(500 * time.Millisecond) // requests keep it
		resp, err := http.Get("http://" + l.Addr().String() + "/style.css")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	select {
	case err := <-ended:
		if took := time.Since(began); err != nil || took < 5400*time.Millisecond {
			t.Errorf("it ended after %v: %v", took, err)
		}
	case <-time.After(time.Minute):
		t.Error("it does not end")
	}
}
