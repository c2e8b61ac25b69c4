package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// jsonFlag adds --json.
func (a *app) jsonFlag(c *cobra.Command, usage string) {
	c.Flags().BoolVar(&a.asJSON, "json", false, usage)
}

// did is what a command has done, as JSON shows it.
type did map[string]any

// withResult completes a command that does something and says so: in the sentence that do
// returns, if it is not empty, or with --json in the object.
func (a *app) withResult(c *cobra.Command, do func(ctx context.Context, settings config.Config, args []string) (any, string, error)) *cobra.Command {
	return a.withReport(c, func(ctx context.Context, settings config.Config, args []string) (any, func() error, error) {
		object, sentence, err := do(ctx, settings, args)
		return object, func() error {
			if sentence == "" {
				return nil
			}
			return a.say("%s", sentence)
		}, err
	})
}

// withReport is withResult for a command with more to say than a sentence: the function
// that do returns prints it.
func (a *app) withReport(c *cobra.Command, do func(ctx context.Context, settings config.Config, args []string) (any, func() error, error)) *cobra.Command {
	a.jsonFlag(c, "the result as one JSON object")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		settings, err := a.settings()
		if err != nil {
			return err
		}
		object, people, err := do(cmd.Context(), settings, args)
		if _, isPart := errors.AsType[partError](err); err != nil && !isPart {
			return err
		}
		return errors.Join(err, a.show(object, people))
	}
	return c
}

// read calls do with the settings and with their database, to look at it.
func (a *app) read(ctx context.Context, do func(config.Config, *query.Reader) error) error {
	c, err := a.settings()
	if err != nil {
		return err
	}
	r, err := query.OpenReader(ctx, c.Database)
	if err != nil {
		return err
	}
	defer r.Close()
	return do(c, r)
}

// show prints an object with --json, and else calls people, which prints it for them.
func (a *app) show(object any, people func() error) error {
	if a.asJSON {
		return table.Objects(a.stdout).Encode(object)
	}
	return people()
}

// result prints what a command did, as JSON or as a sentence.
func (a *app) result(object any, format string, args ...any) error {
	return a.show(object, func() error { return a.say(format, args...) })
}

// say prints a sentence on standard output, wrapped on a terminal.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintln(a.stdout, a.screen().Prose(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")))
	return err
}
