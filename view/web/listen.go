package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// firstFD is the first file descriptor that systemd passes (sd_listen_fds(3)).
const firstFD = 3

// Activated reports whether systemd has passed a socket.
func Activated() bool {
	return os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) && os.Getenv("LISTEN_FDS") == "1"
}

// Listen returns the socket of systemd, or listens on an address: unix:PATH or
// 127.0.0.1:PORT. Other machines never reach it: it has no login.
func Listen(address string) (net.Listener, error) {
	if Activated() {
		l, err := net.FileListener(os.NewFile(firstFD, "systemd"))
		if err != nil {
			return nil, fmt.Errorf("socket of systemd: %w", err)
		}
		return l, local(l)
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is neither unix:PATH nor 127.0.0.1:PORT: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, notLocal(address)
	}
	var config net.ListenConfig
	return config.Listen(context.Background(), "tcp", address)
}

// listenUnix listens on a socket that only this user may open.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		dialer := net.Dialer{Timeout: time.Second}
		if conn, err := dialer.DialContext(context.Background(), "unix", path); err == nil {
			conn.Close()
			return nil, fmt.Errorf("%s is in use", path)
		}
		if err := os.Remove(path); err != nil { // left by a process that was killed
			return nil, err
		}
	}
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// local refuses a socket that other machines reach.
func local(l net.Listener) error {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		return errors.Join(notLocal(tcp.String()), l.Close())
	}
	return nil
}

func notLocal(address string) error {
	return fmt.Errorf("%s can be reached from other machines, and the pages have no login; use unix:PATH or 127.0.0.1:PORT, behind a proxy with a login", address)
}

// Serve answers requests until ctx is done, or until there was none for so long; 0 waits
// for ever.
func (s *Site) Serve(ctx context.Context, l net.Listener, idle time.Duration) error {
	server := http.Server{
		Handler: s.Handler(), ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	tick := time.NewTicker(max(idle/10, time.Second))
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case now := <-tick.C:
			if idle == 0 || now.Sub(time.Unix(0, s.asked.Load())) < idle {
				continue
			}
		case <-ctx.Done():
		}
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			_ = server.Close()
		}
		<-ended
		return nil
	}
}
