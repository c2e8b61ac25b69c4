package fleet

import (
	"context"
	"database/sql"
	"errors"

	"github.com/bouncetail/bouncetail/internal/pgsql"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Database returns the database of a fleet, for Begin. It connects when it is asked.
func Database(s fleet.Settings) *sql.DB {
	server := &pgsql.Server{Connect: s.Connect, Schema: "bouncetail_views", Explain: fleet.Explain}
	return server.Open()
}

// Begin returns a Reader of what the fleet holds now, by the queries for a host. It calls
// end when the Reader is closed.
func Begin(ctx context.Context, db *sql.DB, end func() error) (*query.Reader, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, errors.Join(err, end())
	}
	return query.OfFleet(tx, func() error {
		_ = tx.Rollback() // it has only read
		return end()
	}), nil
}
