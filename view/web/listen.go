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

	"golang.org/x/net/netutil"
)

// firstFD is the first file descriptor that systemd passes (sd_listen_fds(3)).
const firstFD = 3

// Activated reports whether systemd has passed a socket.
func Activated() bool {
	return os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) && os.Getenv("LISTEN_FDS") == "1"
}

// Listen returns the socket of systemd, or listens on an address: unix:PATH or IP:PORT.
// Without a login, it refuses addresses that other machines can reach.
func Listen(address string, hasLogin bool) (net.Listener, error) {
	if Activated() {
		l, err := net.FileListener(os.NewFile(firstFD, "systemd"))
		if err != nil {
			return nil, fmt.Errorf("socket of systemd: %w", err)
		}
		if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && !hasLogin {
			return nil, errors.Join(notLocal(tcp.String()), l.Close())
		}
		return l, nil
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is neither unix:PATH nor IP:PORT, such as 127.0.0.1:8025: %w", address, err)
	}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost", ip != nil && ip.IsLoopback():
	case ip == nil && host != "":
		return nil, fmt.Errorf("%q is not an IP address", host)
	case !hasLogin:
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

func notLocal(address string) error {
	return fmt.Errorf(
		"%s can be reached from other machines, and there is no login; set web.users_file and add a user with bouncetail web passwd NAME, or use unix:PATH or 127.0.0.1:PORT",
		address,
	)
}

// maxConnections bounds the memory for clients that are slow.
const maxConnections = 256

// Serve answers requests until ctx is done, or until there was none for so long and nobody
// is logged in; 0 waits for ever.
func (s *Site) Serve(ctx context.Context, l net.Listener, idle time.Duration) error {
	s.address = l.Addr().String()
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		s.Log.Warn(
			"other machines can reach the pages, and passwords cross the network as they are; put a proxy with TLS in front",
			"address", s.address,
		)
	}
	server := http.Server{
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		Handler:     s.Handler(), ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, DisableGeneralOptionsHandler: true,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(netutil.LimitListener(l, maxConnections)) }()
	tick := time.NewTicker(max(idle/10, time.Second))
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case now := <-tick.C:
			if idle == 0 || now.Sub(time.Unix(0, s.asked.Load())) < idle || s.sessions.Any(now) {
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
