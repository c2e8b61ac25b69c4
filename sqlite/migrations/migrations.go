// Package migrations holds the schema, as the steps by which it grew. A step is
// never edited once it is released; the comments in them are the reference for
// each table and column and stay in the file.
package migrations

import (
	"embed"
	"fmt"
)

//go:embed *.sql
var files embed.FS

// All returns the statements of every step, in order. The version of a schema is
// the number of its steps.
func All() []Step {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are part of the program
	}
	all := make([]Step, len(entries))
	for i, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		all[i] = Step{Name: entry.Name(), Version: i + 1, SQL: string(text)}
	}
	return all
}

// Step brings a schema to a version from the one before.
type Step struct {
	Name    string
	Version int
	SQL     string
}

// Check returns an error unless a schema of a version can be used as it is.
func Check(version int) error {
	if known := len(All()); version < known {
		return fmt.Errorf(
			"has the schema of an older bouncetail (%d, this one needs %d); restart the daemon or run bouncetail recipients rebuild, which update it",
			version, known,
		)
	}
	if err := CheckNotNewer(version); err != nil {
		return fmt.Errorf("%w, or name another file with --db", err)
	}
	return nil
}

// CheckNotNewer returns an error if this program does not know a schema of a version.
func CheckNotNewer(version int) error {
	if known := len(All()); version > known {
		return fmt.Errorf("was written by a newer bouncetail (schema %d, this one knows %d); upgrade this one", version, known)
	}
	return nil
}
