package export

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
)

// Check returns an error for options that the format does not take. It names the flags of
// the command.
func (f Format) Check(o Options) error {
	if len(o.Columns) > 0 && !f.Columns {
		return fmt.Errorf("--columns: the columns of %s are those that its program takes; use csv, ndjson or json", f.Name)
	}
	for i, name := range o.Columns {
		if slices.Contains(o.Columns[:i], name) {
			return fmt.Errorf("--columns: %s is named twice", name)
		}
		if names := ColumnNames(); !slices.Contains(names, name) {
			return fmt.Errorf(
				"--columns: unknown column %q%s",
				name, cmp.Or(text.Near(name, names), "; it is one of "+strings.Join(names, ", ")),
			)
		}
	}
	switch {
	case f.Lists && len(o.Lists) == 0:
		return errors.New("--list: Brevo wants a list for the contacts; its id is next to its name under Contacts, Lists")
	case slices.ContainsFunc(o.Lists, func(id int) bool { return id < 1 }):
		return errors.New("--list: the id of a list is 1 or more; it is next to its name in Brevo under Contacts, Lists")
	case !f.Lists && len(o.Lists) > 0:
		return fmt.Errorf("--list: %s has no lists; the flag is for the format brevo", f.Name)
	}
	if f.SuppressionList && !f.CanReinstate && o.State == bounce.StateOK {
		return fmt.Errorf("--state: %s is a list of addresses not to write to, and these are good; use csv, ndjson or plain", f.Name)
	}
	return nil
}

// Named returns the format of a name.
func Named(name string) (Format, error) {
	for _, f := range Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("--format: %w; docs/recipes describes other programs", text.OneOf(name, FormatNames()))
}

// ParseMode parses the mode of the output in octal digits. It returns 0 for an empty one.
func ParseMode(digits, output string) (os.FileMode, error) {
	if digits == "" {
		return 0, nil
	}
	mode, err := strconv.ParseUint(digits, 8, 9)
	switch {
	case output == "":
		return 0, errors.New("--mode: is of a file; name one with -o FILE")
	case err != nil || mode&0o600 != 0o600:
		return 0, fmt.Errorf("--mode: %q is no mode that the owner can read and write, such as 0640 or 0644", digits)
	}
	return os.FileMode(mode), nil
}

// FormatNames lists the names of the formats.
func FormatNames() []string {
	var names []string
	for _, f := range Formats {
		names = append(names, f.Name)
	}
	return names
}

// FormatList describes the formats, one a line.
func FormatList() string {
	var list strings.Builder
	for _, f := range Formats {
		mark := ' '
		if f.SuppressionList {
			mark = '*'
		}
		fmt.Fprintf(&list, "%c %-14s %s\n", mark, f.Name, f.About)
	}
	return strings.TrimSuffix(list.String(), "\n")
}
