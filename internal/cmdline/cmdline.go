// Package cmdline describes in plain words how a command was called wrongly.
package cmdline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// FlagError describes an error of the flags without the words of Go.
func FlagError(err error) error {
	if bad, is := errors.AsType[*pflag.InvalidValueError](err); is {
		f := bad.GetFlag()
		return fmt.Errorf("--%s: %q is %s", f.Name, bad.GetValue(), flagProblem(f.Value.Type(), bad.Unwrap()))
	}
	if unknown, is := errors.AsType[*pflag.NotExistError](err); is && unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedShortnames())
	}
	return err
}

// flagProblem describes what is wrong with a value for a flag of a type.
func flagProblem(kind string, cause error) string {
	switch {
	case kind == "bool":
		return "neither true nor false"
	case kind == "duration":
		return "not a duration such as 30s, 90m or 6h"
	case errors.Is(cause, strconv.ErrRange):
		return "too large"
	case kind == "int", kind == "int64", kind == "intSlice":
		return "not a whole number"
	}
	return "not possible: " + cause.Error()
}

// TakeLines lets the flags of a command that take a list also take one item a line, as
// "$(cat FILE)" gives it: pflag reads the first line and drops the others.
func TakeLines(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "stringSlice" {
			f.Value, f.DefValue = lines{f.Value}, "" // or the help would show it
		}
	})
}

// lines is the value of a flag that takes a list.
type lines struct{ pflag.Value }

func (v lines) Set(list string) error {
	return v.Value.Set(strings.NewReplacer("\r\n", ",", "\n", ",").Replace(strings.TrimRight(list, "\r\n")))
}

// Takes checks the arguments of a command and describes in an error what it takes, by
// the line that shows its use.
func Takes(c *cobra.Command, check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		err := check(cmd, given)
		if err == nil {
			return nil
		}
		_, wants, _ := strings.Cut(c.Use, " ")
		switch {
		case strings.HasPrefix(err.Error(), "unknown command") && !c.HasSubCommands():
			return fmt.Errorf("takes no argument; %q is given", given[0])
		case strings.Contains(err.Error(), "arg(s)") && len(given) == 0:
			return fmt.Errorf("takes %s; no argument is given", wants)
		case strings.Contains(err.Error(), "arg(s)"):
			return fmt.Errorf("takes %s; %s given", wants, count(given))
		}
		return err
	}
}

// OneArgument refuses any other number of arguments, and says what the command takes.
func OneArgument(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("takes %s; %s given", what, count(args))
	}
}

func count(given []string) string {
	if len(given) == 1 {
		return "1 argument"
	}
	return fmt.Sprint(len(given), " arguments")
}
