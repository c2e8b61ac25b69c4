package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// sql is the command for questions that no other command answers.
func (a *app) sql() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:   "sql 'SELECT …'",
		Short: "Ask the database in SQL, read-only",
		Long: "Sql runs a statement on the database of the settings and prints the rows. It cannot\n" +
			"change anything. docs/database.md describes the tables, docs/queries.md has examples.",
		Example: "  bouncetail sql 'SELECT domain, count(*) FROM bad_recipients GROUP BY 1 ORDER BY 2 DESC LIMIT 10'\n" +
			"  bouncetail sql --format csv 'SELECT * FROM daily_outcomes' >days.csv",
		Args: cobra.ExactArgs(1),
	}
	flags.add(c, nil)
	_ = c.Flags().MarkHidden("columns") // the statement chooses
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.TrimSpace(args[0]) == "" {
			return usageError{errors.New("takes 'SELECT …'; the statement is empty")}
		}
		r, err := a.reader(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close()
		flags.All = true
		var l *table.List
		err = r.Query(cmd.Context(), args[0], func(names []string) error {
			cols := make([]table.Column, len(names))
			for i, name := range names {
				cols[i] = table.Column{Key: name, Long: true}
			}
			l, err = flags.open(a, cols)
			return err
		}, func(values []any) error {
			for i, v := range values {
				if b, ok := v.([]byte); ok {
					values[i] = string(b)
				}
			}
			return l.Row(nil, values...)
		})
		switch {
		case errors.Is(err, query.ErrWrites):
			return fmt.Errorf("sql only reads, and %w; change a copy with sqlite3: bouncetail backup FILE", err)
		case err != nil:
			return fmt.Errorf("%w; bouncetail sql \"SELECT sql FROM sqlite_master\" shows the tables", err)
		}
		return l.End("No row.")
	}
	return c
}

// reasons is the command that explains the words of the other commands.
func (a *app) reasons() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:     "reasons [REASON]",
		Short:   "Explain the reasons of failures, and what to do about each",
		Example: "  bouncetail reasons ip-blocklisted\n  bouncetail reasons --format csv",
		Args:    cobra.MaximumNArgs(1),
	}
	for _, slug := range reasonSlugs() {
		c.ValidArgs = append(c.ValidArgs, slug)
	}
	flags.add(c, reasonColumns)
	c.RunE = func(_ *cobra.Command, args []string) error {
		flags.All = true
		if len(args) == 0 {
			l, err := flags.open(a, reasonColumns)
			if err != nil {
				return err
			}
			for _, m := range bounce.Reasons {
				if err := l.Row(nil, string(m.Reason), m.Means, m.AddressBad, m.Advice); err != nil {
					return err
				}
			}
			return l.End("")
		}
		for _, m := range bounce.Reasons {
			if string(m.Reason) != args[0] {
				continue
			}
			if flags.JSON {
				l, err := flags.open(a, reasonColumns)
				if err != nil {
					return err
				}
				return l.Row(nil, string(m.Reason), m.Means, m.AddressBad, m.Advice)
			}
			bad := "The address may be good."
			if m.AddressBad {
				bad = "The address is bad."
			}
			_, err := fmt.Fprintf(a.stdout, "%s\n", text.Wrap(fmt.Sprintf("%s: %s. %s %s", m.Reason, m.Means, bad, m.Advice), a.screen().ProseWidth(), 0))
			return err
		}
		return usageError{fmt.Errorf("there is no reason %q%s; bouncetail reasons lists them", args[0], near(args[0], reasonSlugs()))}
	}
	return c
}

// reasonColumns are the columns of the list of reasons.
var reasonColumns = []table.Column{{Key: "reason"}, {Key: "means", Wrap: true}, {Key: "address_bad", Keep: 1}, {Key: "advice", Wrap: true}}

// watchQuery finds the failures behind an id.
const watchQuery = `
	SELECT id, occurred_at, recipient, outcome, category || ' / ' || reason, coalesce(reply, '')
	FROM bounces
	WHERE id > %d
	ORDER BY id`

func (a *app) watch() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "watch",
		Short: "Show failures as they come, until interrupted",
		Args:  cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := a.reader(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close()
		last, err := lastFailureID(cmd, r)
		if err != nil {
			return err
		}
		a.remark("Waiting for failures. Ctrl-C ends it.")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			err := r.Query(cmd.Context(), fmt.Sprintf(watchQuery, last), func([]string) error { return nil }, func(v []any) error {
				last = v[0].(int64)
				return a.watched(v, asJSON)
			})
			if err != nil && cmd.Context().Err() == nil {
				return err
			}
			select {
			case <-tick.C:
			case <-cmd.Context().Done():
				return nil
			}
		}
	}
	return c
}

func lastFailureID(cmd *cobra.Command, r *query.Reader) (last int64, err error) {
	err = r.Query(cmd.Context(), "SELECT coalesce(max(id), 0) FROM bounces", func([]string) error { return nil }, func(v []any) error {
		last = v[0].(int64)
		return nil
	})
	return last, err
}

// watched prints a failure that came.
func (a *app) watched(v []any, asJSON bool) error {
	if asJSON {
		category, reason, _ := strings.Cut(fmt.Sprint(v[4]), " / ")
		return table.Objects(a.stdout).Encode(struct {
			ID         any    `json:"id"`
			OccurredAt any    `json:"occurred_at"`
			Recipient  any    `json:"recipient"`
			Outcome    any    `json:"outcome"`
			Category   string `json:"category"`
			Reason     string `json:"reason"`
			Reply      any    `json:"reply"`
		}{v[0], v[1], v[2], v[3], category, reason, v[5]})
	}
	line := fmt.Sprintf("%s  %v %v: %v: %v", a.zone().Short(fmt.Sprint(v[1])), v[2], v[3], v[4], v[5])
	_, err := fmt.Fprintln(a.stdout, text.Cut(text.Printable(line), a.screen().Width))
	return err
}

func (a *app) backup() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the database, also while the daemon writes",
		Long: "Backup writes a copy of the database to a new file, with the positions in the logs:\n" +
			"after bouncetail restore the daemon continues in the logs where the copy was made.",
		Example: "  sudo bouncetail backup /var/backups/bouncetail-$(date +%F).db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			if err := dbfile.Backup(cmd.Context(), settings.Database, args[0]); err != nil {
				return err
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			return a.result(asJSON, map[string]any{"file": args[0], "bytes": info.Size()}, "%s written, %s bytes.\n", text.Printable(args[0]), text.Thousands(info.Size()))
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) restore() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the database with a backup",
		Long: "Restore checks a copy that bouncetail backup has written and replaces the database\n" +
			"with it. Stop the daemon first: systemctl stop bouncetail. Its next start reads the\n" +
			"later lines again that the logs still hold.",
		Example: "  sudo systemctl stop bouncetail\n  sudo bouncetail restore /var/backups/bouncetail-2026-11-01.db\n  sudo systemctl start bouncetail",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			if err := dbfile.Restore(cmd.Context(), args[0], settings.Database); err != nil {
				return err
			}
			return a.result(asJSON, map[string]any{"database": settings.Database, "file": args[0]}, "%s is restored from %s. Start the daemon: systemctl start bouncetail\n", text.Printable(settings.Database), text.Printable(args[0]))
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
