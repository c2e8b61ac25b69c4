package fleet

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The schema is stored as the steps by which it grew. A file is named by the version of
// the schema behind it. It is never edited once it is released. The first one creates all
// tables: before it, a schema was not upgraded.
//
//go:embed schema/*.sql
var schemaFiles embed.FS

// viewsSQL is run after the steps. A step that changes a column of a view drops the view.
//
//go:embed views.sql
var viewsSQL string

// step brings the schema to a version.
type step struct {
	version int
	sql     string
}

// schemaSteps are all steps, in their order.
var schemaSteps = readSteps()

func readSteps() (steps []step) {
	entries, err := schemaFiles.ReadDir("schema")
	for _, entry := range entries {
		var text []byte
		if text, err = schemaFiles.ReadFile("schema/" + entry.Name()); err != nil {
			break
		}
		number, _, _ := strings.Cut(entry.Name(), "_")
		one := step{sql: string(text)}
		if one.version, err = strconv.Atoi(number); err != nil {
			break
		}
		steps = append(steps, one)
	}
	if err != nil {
		panic(err) // they are part of the program
	}
	return steps
}

var (
	// oldestSchema is the oldest version that is upgraded.
	oldestSchema = schemaSteps[0].version
	// schemaVersion is the version that this program works with.
	schemaVersion = schemaSteps[len(schemaSteps)-1].version
)

// runSteps runs the steps behind a version, and makes the views.
func runSteps(ctx context.Context, tx pgx.Tx, version int) error {
	for _, one := range schemaSteps {
		if one.version <= version {
			continue
		}
		if err := runScript(ctx, tx, one.sql); err != nil {
			return fmt.Errorf("schema %d: %w", one.version, err)
		}
	}
	return runScript(ctx, tx, viewsSQL)
}

// runScript runs several statements.
func runScript(ctx context.Context, tx pgx.Tx, script string) error {
	_, err := tx.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol)
	return err
}

// upgrade brings the schema to schemaVersion, and returns the version before. If another
// transaction is in the way, PostgreSQL may end this one: then it tries again.
func upgrade(ctx context.Context, conn *pgx.Conn) (before int, err error) {
	for range 5 {
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			before, err = upgradeIn(ctx, tx)
			return err
		})
		if codeOf(err) != "40P01" { // deadlock detected
			break
		}
	}
	return before, err
}

// upgradeIn upgrades the schema unless it is up to date.
func upgradeIn(ctx context.Context, tx pgx.Tx) (before int, err error) {
	// Every transaction of a sender begins with a row of this table. So none is waited for
	// that waits for a table that is locked already.
	if _, err := tx.Exec(ctx, "LOCK TABLE bouncetail.fleet_instances IN ACCESS EXCLUSIVE MODE"); err != nil {
		return 0, err
	}
	m, err := readMeta(ctx, tx)
	if err != nil || m.schema >= schemaVersion { // another one was faster
		return m.schema, err
	}
	if err := runSteps(ctx, tx, m.schema); err != nil {
		return m.schema, err
	}
	_, err = tx.Exec(ctx, `
		UPDATE bouncetail.fleet_meta
		SET value = $1
		WHERE name = 'schema'`, strconv.Itoa(schemaVersion))
	return m.schema, err
}

// otherSchema returns the error if the tables have another version.
func otherSchema(version int) error {
	switch {
	case version > schemaVersion:
		return notReady(fmt.Sprintf(
			"the tables of the fleet are those of a newer bouncetail (schema %d, this one knows %d); upgrade bouncetail on this host",
			version, schemaVersion,
		))
	case version >= oldestSchema:
		return notReady(fmt.Sprintf(
			"the tables of the fleet are those of an older bouncetail (schema %d, this one needs %d); as their owner, run bouncetail fleet init, which upgrades them",
			version, schemaVersion,
		))
	}
	return notReady(fmt.Sprintf(
		"the tables of the fleet are those of an older bouncetail (schema %d, this one needs %d), and are not upgraded; as their owner, run DROP SCHEMA bouncetail CASCADE in psql, and then bouncetail fleet init: the hosts send again all that they have",
		version, schemaVersion,
	))
}
