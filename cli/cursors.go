package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) cursors() *cobra.Command {
	c := a.withList(&cobra.Command{
		Use:   "cursors",
		Short: "List how far each export by --cursor has come",
		Args:  cobra.NoArgs,
	}, report.CursorColumns, "No export has used --cursor.", func(ctx context.Context, r *query.Reader, l *table.List) error {
		list, _, err := r.Cursors(ctx)
		return table.Rows(l, list, err, report.CursorCells)
	})
	c.AddCommand(a.resetCursor(), a.removeCursor())
	return c
}

func (a *app) resetCursor() *cobra.Command {
	var to int64
	c := &cobra.Command{
		Use:   "reset NAME",
		Short: "Set a cursor back: the next export repeats what changed since",
		Args:  cobra.ExactArgs(1),
	}
	c.Flags().Int64Var(&to, "to", 0, "behind the change `SEQ`; 0 is before the first")
	return a.withResult(c, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		err := outbox.AtCursor(ctx, settings.Database, args[0], func(c *outbox.Cursor, lastSeq int64) error {
			if to < 0 || to > lastSeq {
				return usageError{fmt.Errorf("--to: there is no change %d; the last is %d", to, lastSeq)}
			}
			return c.Move(ctx, to, a.now())
		})
		return did{"cursor": args[0], "seq": to}, fmt.Sprintf("Cursor %s is set to change %d; the next export begins after it.", args[0], to), err
	})
}

func (a *app) removeCursor() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "rm NAME",
		Short: "Forget a cursor that is no longer exported by",
		Args:  cobra.ExactArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		err := outbox.AtCursor(ctx, settings.Database, args[0], func(c *outbox.Cursor, _ int64) error { return c.Forget(ctx) })
		return did{"cursor": args[0], "removed": true}, fmt.Sprintf("Cursor %s is removed.", args[0]), err
	})
}
