package daemon

import (
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/internal/text"
)

// problems returns a sentence in one line for each thing that the daemon cannot do at
// present. It may be called at any time.
func (s *session) problems() []string {
	var list []string
	if trouble := s.p.Progress.Trouble.Load(); trouble != nil {
		list = append(list, "cannot save: "+strings.ReplaceAll(*trouble, "\n", " "))
	}
	if broken := s.broken.Load(); broken != nil {
		list = append(list, *broken)
	}
	return append(list, s.s.troubles.List()...)
}

// status is the status for systemctl, problems first.
func (s *session) status() string {
	p := &s.p.Progress
	parts := s.problems()
	counts := []string{
		text.Amount(int(p.Lines.Load()), "line") + " read",
		text.Amount(int(p.New.Load()), "new failure") + " kept",
		text.Amount(int(p.Unparsed.Load()), "line") + " not parsed",
	}
	if gaps := p.Gaps.Load(); gaps > 0 {
		counts = append(counts, text.Amount(int(gaps), "gap"))
	}
	if command := s.command.Load(); command != nil {
		counts = append(counts, "running the command "+*command)
	}
	return "STATUS=" + strings.Join(append(parts, strings.Join(counts, ", ")), "; ")
}

// notifySystemd sends a state to systemd, if it started the program.
func notifySystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Debug("cannot notify systemd", "error", err)
	}
}

// watchdog returns how often systemd is notified, and how long a stage may take for
// one piece of work before it counts as hanging.
func watchdog() (interval, patience time.Duration) {
	// SQLite waits 5 s for a lock, and so does the saver before it retries.
	const often, least = 10 * time.Second, 8 * time.Second
	if d, err := daemon.SdWatchdogEnabled(false); err == nil && d > 0 {
		return min(d/2, often), max(d, least)
	}
	return often, 2 * time.Minute
}

// monotonic returns microseconds of CLOCK_MONOTONIC, which systemd expects with a
// reload.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano() / 1000
}

// keepAlive tells systemd every few seconds that a long start continues. It starts
// a goroutine; the returned function ends it and waits for it.
func keepAlive(log *slog.Logger) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	interval, _ := watchdog()
	go func() {
		defer close(done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				notifySystemd(log, "EXTEND_TIMEOUT_USEC=120000000\n"+daemon.SdNotifyWatchdog)
			case <-stop:
				return
			}
		}
	}()
	return func() { close(stop); <-done }
}
