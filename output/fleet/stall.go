package fleet

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// stallLimit is how long a connection may be silent before the server is asked whether it
// is there. A statement may take longer.
var stallLimit = 20 * time.Second

// errStalled is the error of a connection whose server answers nothing any more.
var errStalled net.Error = stalled{}

// stalled is a timeout: package pgconn drops other errors of the first read of an answer.
type stalled struct{}

func (stalled) Error() string {
	return "PostgreSQL does not answer any more; is it running, and is its host reachable?"
}
func (stalled) Timeout() bool   { return true }
func (stalled) Temporary() bool { return false }

// patientConn is a connection that waits for as long as its server answers new
// connections, and then fails. Without it, a server that is stopped, or whose host is
// gone, makes a statement wait for minutes or for ever.
type patientConn struct {
	net.Conn
	answers func() bool // whether the server answers a new connection

	mutex   sync.Mutex
	limits  [2]time.Time // that were set, for reading and for writing; zero if there is none
	stalled bool
}

const reading, writing = 0, 1

// watchStalls makes the connections of a configuration patient.
func watchStalls(c *pgx.ConnConfig) {
	dial := c.DialFunc
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		answers := func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), c.ConnectTimeout)
			defer cancel()
			letter, other := firstByte(ctx, dial, network, address)
			if other != nil {
				other.Close()
			}
			return letter != 0
		}
		return &patientConn{Conn: conn, answers: answers}, nil
	}
}

// firstByte asks a server for TLS, and returns the first byte of its answer with the
// connection, or 0 if there is no answer. The caller closes the connection if there is one.
func firstByte(ctx context.Context, dial pgconn.DialFunc, network, address string) (byte, net.Conn) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return 0, nil
	}
	deadline, _ := ctx.Deadline()
	question, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err == nil {
		err = conn.SetDeadline(deadline)
	}
	if err == nil {
		_, err = conn.Write(question)
	}
	var answer [1]byte
	if err == nil {
		_, err = conn.Read(answer[:])
	}
	if err != nil {
		return 0, conn
	}
	return answer[0], conn
}

// Read implements net.Conn.
func (c *patientConn) Read(p []byte) (n int, err error) {
	for {
		if err := c.arm(reading, c.Conn.SetReadDeadline); err != nil {
			return 0, err
		}
		n, err = c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.over(reading) {
			return n, err
		}
		if err := c.ask(); err != nil {
			return 0, err
		}
	}
}

// Write implements net.Conn.
func (c *patientConn) Write(p []byte) (n int, err error) {
	for {
		if err := c.arm(writing, c.Conn.SetWriteDeadline); err != nil {
			return n, err
		}
		some, err := c.Conn.Write(p[n:])
		n += some
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.over(writing) {
			return n, err
		}
		if some > 0 {
			continue
		}
		if err := c.ask(); err != nil {
			return n, err
		}
	}
}

// ask returns an error if the server answers nothing any more.
func (c *patientConn) ask() error {
	if c.answers() {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.stalled = true
	return errStalled
}

// arm sets the deadline of the next call, which is not behind the limit of the caller.
func (c *patientConn) arm(way int, set func(time.Time) error) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.stalled {
		return errStalled
	}
	until := time.Now().Add(stallLimit)
	if limit := c.limits[way]; !limit.IsZero() && limit.Before(until) {
		until = limit
	}
	return set(until)
}

// over reports whether the limit of the caller is reached.
func (c *patientConn) over(way int) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	limit := c.limits[way]
	return !limit.IsZero() && !time.Now().Before(limit)
}

// SetDeadline implements net.Conn. A call that waits ends at the deadline.
func (c *patientConn) SetDeadline(t time.Time) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.limits = [2]time.Time{t, t}
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *patientConn) SetReadDeadline(t time.Time) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.limits[reading] = t
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.limits[writing] = t
	return c.Conn.SetWriteDeadline(t)
}
