package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/internal/tune"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/tailer"
)

func (a *app) run() *cobra.Command {
	c := &cobra.Command{
		Use:   "run [FILE…]",
		Short: "Follow the logs until told to stop (the daemon)",
		Long: "Run follows the logs that the settings name, or the files and globs given here,\n" +
			"through rotation and restarts, until SIGTERM. Everything read so far is saved\n" +
			"then. SIGHUP reads settings and rules anew and keeps the old ones if the new are bad.\n\n" +
			"Without settings and files it follows the mail log that this machine has, else the\n" +
			"journal, and a first start reads what rotation has left of it too.",
		Example: "  systemctl enable --now bouncetail\n" +
			"  bouncetail run --db /tmp/b.db '/var/log/exim4/mainlog'",
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := a.runSettings(files)
			if err != nil {
				return err
			}
			tune.Run()
			return a.daemon(cmd.Context(), c, files)
		},
	}
	a.logFlags(c)
	return c
}

// runSettings returns the settings with the sources that are to be followed.
func (a *app) runSettings(files []string) (config.Config, error) {
	c, err := a.settings()
	if err != nil {
		return c, err
	}
	if len(files) > 0 {
		c.Sources = nil
		for _, f := range files {
			c.Sources = append(c.Sources, config.Source{Path: f, MTA: "auto"})
		}
	}
	if len(c.Sources) > 0 {
		return c, nil
	}
	for _, path := range config.Usual {
		if _, err := os.Stat(path); err == nil {
			c.Sources = []config.Source{{Path: path, MTA: "auto"}}
			a.logger(c.Log).Info("no source is configured, taking the mail log that this machine has", "log", path)
			return c, nil
		}
	}
	if _, err := exec.LookPath("journalctl"); err == nil {
		c.Sources = []config.Source{{Path: tailer.JournalPath, MTA: "auto"}}
		a.logger(c.Log).Info("no source is configured and there is no mail log, taking the journal", "looked_for", config.Usual)
		return c, nil
	}
	return c, fmt.Errorf("no mail log found (looked for %s, and the journal); name the log in the settings, or as an argument", strings.Join(config.Usual, ", "))
}

// daemon runs until ctx ends, and starts its stages anew for new settings.
func (a *app) daemon(ctx context.Context, c config.Config, files []string) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		next, err := a.follow(ctx, c, hangup, func() (config.Config, error) { return a.runSettings(files) })
		if err != nil || next == nil {
			return err
		}
		c = *next
	}
}

// follow follows the sources until ctx ends, or until SIGHUP brings settings
// that are good, which it returns.
func (a *app) follow(ctx context.Context, c config.Config, hangup <-chan os.Signal, reload func() (config.Config, error)) (next *config.Config, err error) {
	log := a.logger(c.Log)
	s, err := patientStages(ctx, c, log)
	if ctx.Err() != nil && err != nil {
		return nil, nil // asked to stop before it had begun
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	source, err := s.follow(c, a.stdin, log)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	endCheckpoints, err := s.store.StartCheckpointer(ctx, log)
	if err != nil {
		return nil, err
	}
	defer endCheckpoints()
	defer keepUp(ctx, s.store, log)()
	outputs := startOutputs(ctx, c, &s.troubles, log)
	defer func() { stop(); outputs() }()
	p := s.pipeline(source)
	p.Parsed = s.parsed
	broken := "" // why the settings of the last SIGHUP are not used
	state := func() string { return status(&p.Progress, broken, s.troubles.String()) }
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()

	stopPruning := s.pruneDaily(ctx, c.Retention)
	defer stopPruning()

	notify(log, daemon.SdNotifyReady+"\n"+state())
	// A first start ends the reading of what was there with what it found. The
	// last batch is saved a moment after it was read.
	var saved <-chan time.Time
	caughtUp := s.caughtUp
	progress := time.NewTicker(2 * time.Second) // until then, for systemctl status and a terminal
	defer progress.Stop()
	show := func(string) {}
	if terminal := screenOf(a.stderr); terminal.width > 0 {
		// The next line of the log, or of this, goes over it.
		show = func(line string) { fmt.Fprint(a.stderr, "\r\x1b[K"+cut(line, terminal.width-1)+"\r") }
	}
	if caughtUp == nil || len(s.positions) > 0 {
		caughtUp = nil
		progress.Stop()
	}
	interval, patience := watchdog()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var memory tune.Memory
	hangs := false
	for {
		select {
		case err := <-done:
			notify(log, daemon.SdNotifyStopping)
			show("")
			log.Info("stopped", "lines", p.Progress.Lines.Load(), "new_records", p.Progress.New.Load(), "gaps", p.Progress.Gaps.Load())
			return next, err
		case <-caughtUp:
			caughtUp, saved = nil, time.After(2*time.Second)
		case <-progress.C:
			text := state() + "; reading what was there at the start"
			notify(log, text)
			show(strings.TrimPrefix(text, "STATUS="))
		case <-saved:
			saved = nil
			progress.Stop()
			show("")
			logFound(ctx, log, c.Database)
			notify(log, state())
		case <-tick.C:
			if err := s.store.Check(); err != nil {
				stop()
				return nil, errors.Join(err, <-done)
			}
			memory.Release(p.Progress.Lines.Load())
			text := state()
			still := max(s.tailing.Stalled(time.Now()), p.Stalled(time.Now()))
			if still < patience {
				text += "\n" + daemon.SdNotifyWatchdog
			}
			switch hung := still >= patience; {
			case hangs && !hung:
				hangs = false
				log.Info("moving on again")
			case hung && !hangs:
				hangs = true
				log.Error("nothing moves on, no longer telling the watchdog that all is well", "for", still.Round(time.Second))
			}
			notify(log, text)
		case <-hangup:
			notify(log, daemon.SdNotifyReloading+fmt.Sprintf("\nMONOTONIC_USEC=%d", monotonic()))
			loaded, err := reload()
			if err == nil {
				_, err = classify.New(loaded.Rules)
			}
			if err == nil {
				err = checkKey(ctx, loaded)
			}
			if err != nil {
				log.Error("settings or rules are broken, keeping the old ones", "error", err)
				// In the status until a reload succeeds.
				broken = "cannot use the settings since " + time.Now().Format("2006-01-02 15:04") + ": " + strings.Join(strings.Fields(err.Error()), " ")
				notify(log, daemon.SdNotifyReady+"\n"+state())
				continue
			}
			log.Info("settings and rules read anew")
			next = &loaded
			stop()
		}
	}
}

// patientStages opens the stages, and waits while the database cannot be opened
// for a reason that may pass.
func patientStages(ctx context.Context, c config.Config, log *slog.Logger) (*stages, error) {
	const open = "open the database"
	var trouble health.Retrying
	interval, _ := watchdog()
	for {
		s, err := openStages(ctx, c, sqlite.Open, log)
		if err == nil || ctx.Err() != nil || !sqlite.MayPass(err) {
			if err == nil {
				trouble.Report(log, open, nil)
			}
			return s, err
		}
		trouble.Report(log, open, err)
		notify(log, daemon.SdNotifyReady+"\nSTATUS="+trouble.String()+"\n"+daemon.SdNotifyWatchdog)
		select {
		case <-time.After(min(interval, 5*time.Second)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// logFound logs what a first start found, once: what an admin did not know.
func logFound(ctx context.Context, log *slog.Logger, path string) {
	r, err := sqlite.OpenReader(ctx, path)
	if err != nil {
		log.Debug("looking at what was found", "error", err)
		return
	}
	defer r.Close()
	f, err := found(ctx, r)
	if err != nil {
		log.Debug("looking at what was found", "error", err)
		return
	}
	log.Info("the logs have been read; see bouncetail recipients --state bad", "bad_addresses", f.states["bad"], "failing_addresses", f.states["failing"],
		"bad_by_reason", f.reasons(), "attempts_failed_by_your_own_problems", f.ownAttempts(), "own_problems", f.problems())
}

// status tells systemctl status what is going on, trouble first.
func status(p *pipeline.Progress, troubles ...string) string {
	var parts []string
	if trouble := p.Trouble.Load(); trouble != nil {
		parts = append(parts, "cannot save: "+strings.ReplaceAll(*trouble, "\n", " "))
	}
	for _, trouble := range troubles {
		if trouble != "" {
			parts = append(parts, trouble)
		}
	}
	counts := fmt.Sprintf("%s read, %s kept, %s not parsed",
		amount(int(p.Lines.Load()), "line"), amount(int(p.New.Load()), "new failure"), amount(int(p.Unparsed.Load()), "line"))
	if gaps := p.Gaps.Load(); gaps > 0 {
		counts += ", " + amount(int(gaps), "gap")
	}
	return "STATUS=" + strings.Join(append(parts, counts), "; ")
}

// notify tells systemd, where it started us.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Debug("telling systemd", "error", err)
	}
}

// watchdog returns how often systemd is told of the state, and how long a stage
// may take for one piece of work until it counts as one that hangs.
func watchdog() (interval, patience time.Duration) {
	// SQLite waits 5 s for a lock, and so does the saver before it tries again.
	const often, least = 10 * time.Second, 8 * time.Second
	if d, err := daemon.SdWatchdogEnabled(false); err == nil && d > 0 {
		return min(d/2, often), max(d, least)
	}
	return often, 2 * time.Minute
}

// monotonic returns microseconds of CLOCK_MONOTONIC, which systemd wants to be
// told with a reload.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano() / 1000
}
