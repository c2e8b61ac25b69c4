package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/tune"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/tailer"
)

func (a *app) importLogs() *cobra.Command {
	var mta, zone string
	c := &cobra.Command{
		Use:   "import [FILE…]",
		Short: "Read logs to their end: plain, .gz, .zst, .xz, .bz2, or - for standard input",
		Long: "Import reads logs to their end, in any order and any number of times: a line that\n" +
			"was read before changes nothing. A daemon started later goes on behind them.\n\n" +
			"Without a FILE it reads this machine's mail log, with what rotation made of it:\n" +
			"those of the settings, else the first that exists of\n" + strings.Join(config.Usual, ", ") + ".",
		Example: "  sudo bouncetail import\n" +
			"  bouncetail import --db /tmp/other.db --timezone Europe/Berlin /backup/mail.log*.gz\n" +
			"  journalctl -o short-iso SYSLOG_FACILITY=2 | bouncetail import --db /tmp/j.db -",
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			source := config.Source{MTA: mta, Timezone: zone}
			if _, err := source.Zone(); err != nil {
				return usageError{fmt.Errorf("--timezone: %w", err)}
			}
			if !slices.Contains(config.MTAs, mta) {
				return usageError{fmt.Errorf("--mta: %q is none of %s", mta, strings.Join(config.MTAs, ", "))}
			}
			if len(files) == 0 {
				if files, err = logsOf(c); err != nil {
					return err
				}
				if source, err = commonSource(c, source, cmd.Flags().Changed); err != nil {
					return err
				}
				fmt.Fprintf(a.stderr, "Reading %s\n", printable(strings.Join(files, ", ")))
			}
			c.Sources = []config.Source{source}
			tune.Import()
			return a.importFiles(cmd.Context(), c, files)
		},
	}
	a.logFlags(c)
	c.Flags().StringVar(&mta, "mta", "auto", "whose logs they are: "+strings.Join(config.MTAs, ", "))
	c.Flags().StringVar(&zone, "timezone", "local", "`ZONE` of stamps that name none, such as Europe/Berlin")
	return c
}

// commonSource returns how the logs of the settings are to be read, with the
// flags that were given over it.
func commonSource(c config.Config, flags config.Source, given func(flag string) bool) (config.Source, error) {
	if len(c.Sources) == 0 {
		return flags, nil
	}
	common := config.Source{MTA: c.Sources[0].MTA, Timezone: c.Sources[0].Timezone}
	if given("mta") {
		common.MTA = flags.MTA
	}
	if given("timezone") {
		common.Timezone = flags.Timezone
	}
	for _, s := range c.Sources[1:] {
		if s.MTA != common.MTA && !given("mta") || s.Timezone != common.Timezone && !given("timezone") {
			return common, errors.New("the logs of the settings are of several mail servers or time zones; name those of one, with --mta and --timezone")
		}
	}
	return common, nil
}

// logsOf returns the log files of the settings, or those that this machine has,
// with what rotation made of them.
func logsOf(c config.Config) ([]string, error) {
	var files []string
	for _, s := range c.Sources {
		if s.Path != tailer.JournalPath && !tailer.IsPipe(s.Path) {
			live, rotated := tailer.Files(s.Path)
			files = append(append(files, rotated...), live...)
		}
	}
	if len(c.Sources) == 0 {
		for _, path := range config.Usual {
			if live, rotated := tailer.Files(path); len(live) > 0 {
				files = append(rotated, live...)
				break
			}
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no mail log found (looked for %s); name it: bouncetail import FILE…, or take the journal: journalctl -o short-iso SYSLOG_FACILITY=2 | bouncetail import -",
			strings.Join(config.Usual, ", "))
	}
	return files, nil
}

// importFiles imports files, and reads them again where trouble that passes,
// such as a full disk, has cost what was read of them.
func (a *app) importFiles(ctx context.Context, c config.Config, files []string) error {
	again, err := readable(files)
	if err != nil {
		return err // before a database is made
	}
	log := a.logger(c.Log)
	pause := time.Second
	for first := true; ; first = false {
		err := a.importOnce(ctx, c, files, again, log)
		if !errors.Is(err, pipeline.ErrReadAgain) && (first || !sqlite.MayPass(err)) || ctx.Err() != nil {
			return err
		}
		log.Error("what was read last could not be saved, reading the logs again", "in", pause, "error", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Minute)
		case <-ctx.Done():
			return err
		}
	}
}

// importOnce imports files. Those that may be read again are saved in
// transactions of many batches, and into a new database that is seen when it is
// whole.
func (a *app) importOnce(ctx context.Context, c config.Config, files []string, again bool, log *slog.Logger) (err error) {
	_, statErr := os.Stat(c.Database)
	open := sqlite.OpenToFill
	if again {
		open = sqlite.OpenToBuild
	}
	s, err := openStages(ctx, c, open, log)
	if err != nil {
		return err
	}
	if errors.Is(statErr, os.ErrNotExist) {
		// An import that finds nothing leaves nothing behind.
		defer func() {
			if err != nil && s.recognised() == 0 {
				err = errors.Join(err, sqlite.Remove(c.Database))
			}
		}()
	}
	s.store.CountProblems()
	show, clear := func(int64, int64) {}, func() {}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		show, clear = progressLine(f)
	}
	var bytesRead, bytesInAll int64 // of the files, as they lie on the disk
	progress := func(done, total int64) {
		bytesRead, bytesInAll = done, total
		show(done, total)
	}
	p := s.pipeline(func(ctx context.Context, out chan<- bounce.Chunk) error {
		inputs, err := s.openInputs(ctx, files, a.stdin)
		if err != nil {
			return err
		}
		im := tailer.Import{Inputs: inputs, Positions: s.positions, MaxLine: c.MaxLine, Progress: progress, Log: log, Now: time.Now}
		return im.Run(ctx, out)
	})
	// What many rows have in common is written once.
	p.Limits.FlushInterval = 10 * time.Second
	if again {
		p.Limits.BatchRecords, p.Limits.TxRecords = 10_000, 120_000
	}
	begun := time.Now()
	err = p.Run(ctx)
	took := time.Since(begun)
	clear()
	if err == nil {
		err = ctx.Err()
	}
	unjoined := s.queue.Unjoined()
	if err := errors.Join(err, s.store.Close()); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return &interruptedError{interrupted(p.Progress.Lines.Load(), bytesRead, bytesInAll)}
		}
		return err
	}
	if s.recognised() == 0 {
		return fmt.Errorf("no line of a mail server in %s (%s lines read); name the mail log, plain or packed",
			strings.Join(files, ", "), thousands(p.Progress.Lines.Load()))
	}
	for _, path := range slices.Sorted(maps.Keys(s.read)) {
		if s.recognisedIn(path) == 0 {
			fmt.Fprintf(a.stderr, "%s: no line of a mail server in it\n", printable(path))
		}
	}
	return a.summary(ctx, c.Database, &p.Progress, s.store.Problems(), took, unjoined)
}

// interrupted says how much of an import is stored. The number of all lines is
// estimated from the part of the bytes that was read.
func interrupted(lines, bytesRead, bytesInAll int64) string {
	if lines == 0 {
		return "Interrupted. Nothing is stored yet; run the same command to start again."
	}
	stored := shortNumber(lines) + " lines are stored"
	if bytesRead > 0 && bytesInAll > bytesRead {
		total := int64(float64(lines) * float64(bytesInAll) / float64(bytesRead))
		a, b := shortNumber(lines), shortNumber(total)
		if strings.HasSuffix(a, " million") && strings.HasSuffix(b, " million") {
			a = strings.TrimSuffix(a, " million")
		}
		stored = fmt.Sprintf("%s of %s lines are stored", a, b)
	}
	return "Interrupted. " + stored + "; run the same command to continue."
}

// shortNumber writes 3,100,000 as 3.1 million.
func shortNumber(n int64) string {
	if n < 1_000_000 {
		return thousands(n)
	}
	return fmt.Sprintf("%.1f million", float64(n)/1e6)
}

// readable refuses what cannot be read before anything is written, and reports
// whether all of it can be read a second time, as pipes cannot.
func readable(files []string) (again bool, err error) {
	again = true
	for _, path := range files {
		if path == "-" {
			again = false
			continue
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return false, fmt.Errorf("%s does not exist; check the spelling, or list the folder", path)
		case err != nil:
			return false, err
		case info.IsDir():
			return false, fmt.Errorf("%s is a folder; name the log files in it", path)
		}
		if !info.Mode().IsRegular() {
			again = false // and to open a pipe here would drive its writer away
			continue
		}
		f, err := os.Open(path)
		if errors.Is(err, os.ErrPermission) {
			return false, fmt.Errorf("%s may not be read by this user; run as root or as a member of the group that owns it (often adm)", path)
		}
		if err != nil {
			return false, err
		}
		f.Close()
	}
	return again, nil
}

// progressLine returns a function that rewrites one line of a terminal a few
// times a second, and one that clears it.
func progressLine(w io.Writer) (progress func(done, total int64), clear func()) {
	var last time.Time
	progress = func(done, total int64) {
		if now := time.Now(); total > 0 && now.Sub(last) > 200*time.Millisecond {
			last = now
			fmt.Fprintf(w, "\r%3d %% of %d MB", 100*done/total, total>>20)
		}
	}
	return progress, func() {
		if !last.IsZero() {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// summary tells what was read, and what the database holds now.
func (a *app) summary(ctx context.Context, path string, p *pipeline.Progress, own []sqlite.Problem, took time.Duration, unjoined int) error {
	r, err := sqlite.OpenReader(ctx, path)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := foundBeside(ctx, r, own)
	if err != nil {
		return err
	}
	out := a.screen()
	g := out.table("", "", "")
	g.row("lines read", p.Lines.Load(), fmt.Sprintf("in %v", took.Round(10*time.Millisecond)))
	g.row("sent", p.Sent.Load(), "")
	g.row("deferred", p.Deferred.Load(), "the mail server tries again")
	g.row("bounced", p.Bounced.Load(), "it gave up")
	g.row("expired", p.Expired.Load(), "it gave up after trying for too long")
	g.row("new failures", p.New.Load(), "that the database did not hold yet")
	if n := p.TooLong.Load(); n > 0 {
		g.row("too long", n, "lines left out, see max_line in the settings")
	}
	if n := p.Unparsed.Load(); n > 0 {
		g.row("not parsed", n, "delivery lines, see below")
	}
	if unjoined > 0 {
		g.row("lost track", int64(unjoined), "messages expired whose deferrals are in a log not read")
	}
	if err := g.flush(); err != nil {
		return err
	}
	if err := f.print(out, path); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		list  func(context.Context) ([]sqlite.Count, error)
	}{
		{"Delivery lines not parsed", r.Unparsed},
		{"Gaps: parts of logs that were destroyed before they could be read (table gaps)", r.Gaps},
	} {
		counts, err := part.list(ctx)
		if err != nil {
			return err
		}
		if len(counts) == 0 {
			continue
		}
		fmt.Fprintf(a.stdout, "\n%s\n", out.paint(bold, part.title))
		if err := out.counts(counts); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(a.stdout, "\nNext: bouncetail recipients --state bad%s\n", dbFlag(a.dbPath))
	return err
}

func dbFlag(path string) string {
	if path == "" {
		return ""
	}
	return " --db " + printable(path)
}

// thousands writes a number with separators: 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
