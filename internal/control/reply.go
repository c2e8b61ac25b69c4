package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// reply sends messages to a client. Once one cannot be sent, the command is canceled
// and the others are dropped.
type reply struct {
	c       *net.UnixConn
	timeout time.Duration
	cancel  func()

	mu     sync.Mutex
	broken bool
}

func (r *reply) send(m *message) {
	line, err := json.Marshal(m)
	if err != nil {
		line, _ = json.Marshal(&message{Error: &Error{Text: "the answer of the daemon: " + err.Error()}})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken {
		return
	}
	if err := r.c.SetWriteDeadline(time.Now().Add(r.timeout)); err == nil {
		_, err = r.c.Write(append(line, '\n'))
		r.broken = err != nil
	}
	if r.broken && r.cancel != nil {
		r.cancel()
	}
}

// answer sends the last message.
func (r *reply) answer(result any, failed *Error) {
	m := &message{Error: failed}
	if result != nil || failed == nil {
		data, err := json.Marshal(result)
		if err != nil {
			m.Error = &Error{Text: "the answer of the daemon: " + err.Error()}
		}
		m.Result = data
	}
	r.send(m)
}

// keepAlive sends empty messages until ctx ends.
func (r *reply) keepAlive(ctx context.Context) {
	tick := time.NewTicker(aliveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.send(&message{})
		case <-ctx.Done():
			return
		}
	}
}

// forwarder is a slog.Handler that sends records to the client.
type forwarder struct {
	to    *reply
	attrs []Attr
}

// Enabled reports true: the client drops what it does not want.
func (f *forwarder) Enabled(context.Context, slog.Level) bool { return true }

func (f *forwarder) Handle(_ context.Context, r slog.Record) error {
	record := &Record{Level: int(r.Level), Message: r.Message, Attrs: slices.Clip(f.attrs)}
	r.Attrs(func(a slog.Attr) bool {
		record.Attrs = append(record.Attrs, Attr{a.Key, a.Value.Resolve().String()})
		return true
	})
	f.to.send(&message{Log: record})
	return nil
}

func (f *forwarder) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := &forwarder{f.to, slices.Clip(f.attrs)}
	for _, a := range attrs {
		more.attrs = append(more.attrs, Attr{a.Key, a.Value.Resolve().String()})
	}
	return more
}

// WithGroup returns f: the program uses no groups.
func (f *forwarder) WithGroup(string) slog.Handler { return f }
