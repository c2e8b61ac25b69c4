package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
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
		Example: "  bouncetail sql 'SELECT domain, count(*) FROM bad_recipients GROUP BY 1'\n" +
			"  bouncetail sql --format csv 'SELECT * FROM daily_outcomes' >days.csv",
		Args: cobra.ExactArgs(1),
	}
	flags.add(c, nil)
	_ = c.Flags().MarkHidden("columns") // the statement chooses
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.TrimSpace(args[0]) == "" {
			return usageError{errors.New("takes 'SELECT …'; the statement is empty")}
		}
		flags.All = true
		return a.read(cmd.Context(), func(_ config.Config, r *query.Reader) error {
			var l *table.List
			err := r.Query(cmd.Context(), args[0], func(names []string) (err error) {
				l, err = flags.open(a, table.LongColumns(names))
				return err
			}, func(values []any) error { return l.Row(nil, values...) })
			switch {
			case errors.Is(err, query.ErrWrites):
				return fmt.Errorf("sql only reads, and %w; change a copy with sqlite3: bouncetail backup FILE", err)
			case err != nil:
				return fmt.Errorf("%w; bouncetail sql \"SELECT sql FROM sqlite_master\" shows the tables", err)
			}
			return l.End("No row.")
		})
	}
	return c
}
