// Package cli puts the stages together into the commands, one file a command.
//
// Results go to stdout, remarks to stderr. A command exits with 0 when it is done, 1
// when it failed, 2 when it was called wrongly, 78 when the settings are broken, 130
// when it was interrupted. check and status answer with 0, 1 and 2 and therefore exit
// with 3 when they have no answer, for whatever reason.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/cmdline"
	"github.com/bouncetail/bouncetail/internal/sdlog"
	"github.com/bouncetail/bouncetail/internal/stdin"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/view/table"
)

// Version is set when a release is built.
var Version = ""

// app is what the commands share.
type app struct {
	stdin          io.Reader
	input          io.Reader // stdin for commands that wait for it
	stdout, stderr io.Writer
	log            io.Writer // of the program's own log; never blocks
	configPath     string
	dbPath         string
	database       string // of the settings, or dbPath, once settings has read them
	utc            bool   // people read UTC
	asJSON         bool   // --json was given

	logLevel, logFormat string // empty: those of the settings
}

// now is the time for what is relative to it.
func (a *app) now() time.Time { return time.Now().In(a.zone().Location) }

// Run runs the command that args name until ctx is done and returns its exit code.
func Run(ctx context.Context, args []string, in io.Reader, stdout, stderr io.Writer) int {
	q := sdlog.NewQueue(stderr)
	defer q.Close()
	a := &app{stdin: in, input: stdin.Reader{Context: ctx, From: in}, stdout: stdout, stderr: stderr, log: q}
	if table.ScreenOf(stderr).Width == 0 { // remarks wait for the reader of a terminal
		a.stderr = q
	}
	root := a.root()
	root.SetArgs(args)
	help := &firstError{to: stdout}
	root.SetOut(help)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) { handleSignals(cmd, stop) }
	called, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = help.err
	}
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		if stopped, ok := errors.AsType[*interruptedError](err); ok {
			a.remark("%s", stopped.Error())
		} else {
			a.remark("Interrupted.")
		}
		return exitInterrupted
	}
	return a.failed(called, err)
}

// firstError keeps the first error of writing, which cobra does not return for a help text.
type firstError struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (w *firstError) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// failed prints an error and returns its exit code.
func (a *app) failed(called *cobra.Command, err error) int {
	err = dbfile.Located(a.database, err)
	a.remark("%s: %s", called.CommandPath(), text.PrintableLines(err.Error()))
	code := exitFailed
	var usage usageError
	var unknown string
	if _, mismatch := fmt.Sscanf(err.Error(), "unknown command %q", &unknown); errors.As(err, &usage) || mismatch == nil {
		called.SuggestionsMinimumDistance = 2
		suggestion := ""
		if near := called.SuggestionsFor(unknown); unknown != "" && len(near) > 0 {
			suggestion = fmt.Sprintf("Did you mean %s? ", strings.Join(near, " or "))
		}
		a.remark("%sSee %s --help.", suggestion, called.CommandPath())
		code = exitUsage
	} else if _, ok := errors.AsType[*config.Error](err); ok {
		code = exitSettings
	}
	if name := called.Name(); name == "status" || name == "check" {
		code = exitUnknown
	}
	return code
}

// remark prints a line for people on standard error. On a terminal it is wrapped, and
// the text after a semicolon, such as the next step, is printed on a separate line.
func (a *app) remark(format string, args ...any) {
	fmt.Fprintf(table.Remarks(a.stderr), format+"\n", args...)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bouncetail",
		Short: "Keeps who could not be reached by mail, and why, out of your mail server's log",
		Long: "Bouncetail follows the logs of Postfix, Exim, Sendmail and OpenSMTPD and keeps\n" +
			"every recipient that could not be reached in one SQLite file: who, when, what\n" +
			"the other side said, why, and whether trying again makes sense.",
		Example: "  sudo bouncetail doctor                        # does it see the mail log?\n" +
			"  sudo bouncetail import                        # read what is there, once\n" +
			"  systemctl enable --now bouncetail             # or follow it from now on\n" +
			"  sudo bouncetail recipients --state bad        # the bad addresses\n" +
			"  sudo bouncetail explain jane@example.com      # what happened to one address\n" +
			"  bouncetail classify '550 5.1.1 User unknown'  # what a reply means",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.screen().Width > 0 && a.hasDatabase() {
				return a.status().RunE(cmd, nil)
			}
			return cmd.Help()
		},
	}
	// Help fits 80 columns.
	root.SetUsageTemplate(strings.NewReplacer(".FlagUsages ", ".FlagUsagesWrapped 80 ",
		`Use "{{.CommandPath}} [command] --help" for more information about a command`,
		`"{{.CommandPath}} [command] --help" explains a command`).Replace(root.UsageTemplate()))
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		long := cmd.Long
		defer func() { cmd.Long = long }()
		cmd.Long = text.Reflow(long, 80)
		help(cmd, args)
	})
	root.SetIn(a.stdin)
	root.SetErr(a.stderr)
	root.PersistentFlags().StringVar(&a.configPath, "config", "", "settings `FILE` (default "+config.DefaultPath+")")
	root.PersistentFlags().StringVar(&a.dbPath, "db", "", "database `FILE` (default: the setting database)")
	root.PersistentFlags().BoolVar(&a.utc, "utc", false, "show times in UTC instead of the local zone (TZ)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{cmdline.FlagError(err)} })
	a.addCommands(root)
	for _, c := range all(root) {
		cmdline.TakeLines(c)
		if args := c.Args; args != nil {
			check := cmdline.Takes(c, args)
			c.Args = func(cmd *cobra.Command, given []string) error { return usage(check(cmd, given)) }
		}
	}
	return root
}

// addCommands adds the commands in the groups of the help.
func (a *app) addCommands(root *cobra.Command) {
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"look", "Look:", []*cobra.Command{a.status(), a.recipients(), a.explain(), a.top(), a.incidents(), a.metrics(), a.report(), a.web(), a.watch(), a.unclassified()}},
		{"ask", "Ask:", []*cobra.Command{a.check(), a.classify(), a.reasons(), a.sql(), a.hash()}},
		{"decide", "Decide:", []*cobra.Command{a.rules(), a.reclassify(), a.forget()}},
		{"hand on", "Hand on:", []*cobra.Command{a.export(), a.publish(), a.webhooks(), a.notify(), a.fleet()}},
		{"care", "Care:", []*cobra.Command{a.run(), a.importLogs(), a.doctor(), a.checkConfig(), a.backup(), a.restore(), a.prune(), a.version(), a.man(root)}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("care")
	root.SetCompletionCommandGroupID("care")
	root.Version = versionText()
	root.SetVersionTemplate("bouncetail {{.Version}}\n")
}

// all returns the commands below c.
func all(c *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, sub := range c.Commands() {
		list = append(append(list, sub), all(sub)...)
	}
	return list
}

// settings loads the settings, with --db over them.
func (a *app) settings() (config.Config, error) {
	c, err := config.Load(a.configPath)
	if err != nil {
		return c, err
	}
	if a.dbPath != "" {
		c.Database = a.dbPath
	}
	a.database = c.Database
	return c, a.applyLogFlags(&c.Log)
}

func (a *app) version() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { // also with broken settings
			return a.result(did{"version": versionText()}, "bouncetail %s", versionText())
		},
	}
	a.jsonFlag(c, "the result as one JSON object")
	return c
}

func versionText() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
