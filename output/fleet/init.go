package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bouncetail/bouncetail/bounce"
)

// The roles that users of PostgreSQL are granted.
const (
	senderRole = "bouncetail_sender"
	readerRole = "bouncetail_reader"
)

// Made is what Init has found or done.
type Made struct {
	Created bool `json:"created"` // false if the tables were there
	Before  int  `json:"before"`  // the version of their schema before; 0 if there were none
	Schema  int  `json:"schema"`
}

// Upgraded reports whether the tables were upgraded.
func (m Made) Upgraded() bool { return !m.Created && m.Before < m.Schema }

// Init creates the schema and the roles, or upgrades the schema, in one transaction. It
// returns an error unless they fit the settings.
func (s *Settings) Init(ctx context.Context) (made Made, err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return made, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('bouncetail.fleet_meta') IS NOT NULL").Scan(&exists); err != nil {
		return made, err
	}
	if !exists {
		made.Created = true
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return s.create(ctx, tx) }); err != nil {
			return made, err
		}
	}
	m, err := readMeta(ctx, conn)
	if err == nil && !made.Created {
		if made.Before = m.schema; oldestSchema <= m.schema && m.schema < schemaVersion {
			if made.Before, err = upgrade(ctx, conn); err == nil {
				m, err = readMeta(ctx, conn)
			}
		}
	}
	if err != nil {
		return made, byOwner(err, "init")
	}
	made.Schema = m.schema
	return made, m.check(s.HashKey)
}

func (s *Settings) create(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "CREATE SCHEMA bouncetail"); err != nil {
		if codeOf(err) == "42501" {
			return fmt.Errorf(
				"the user of the DSN may not create tables (%w). Run this command with the DSN of the owner of the database: BOUNCETAIL_FLEET_DSN=… bouncetail fleet init",
				err,
			)
		}
		return err
	}
	for _, role := range []string{senderRole, readerRole} {
		var exists bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)", role).Scan(&exists); err != nil {
			return err
		}
		if exists { // it belongs to the server, not to the database
			continue
		}
		if _, err := tx.Exec(ctx, "CREATE ROLE "+role+" NOLOGIN"); err != nil {
			return fmt.Errorf(
				"the role %s: %w; as an administrator of PostgreSQL: CREATE ROLE %s; CREATE ROLE %s",
				role, err, senderRole, readerRole,
			)
		}
	}
	if err := runSteps(ctx, tx, 0); err != nil {
		return err
	}
	policy, err := json.Marshal(s.Policy)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO bouncetail.fleet_meta (name, value)
		VALUES ('schema', $1), ('hash_key', $2), ('policy', $3)`,
		strconv.Itoa(schemaVersion), strconv.FormatInt(s.HashKey, 10), string(policy))
	return err
}

// meta is what fleet_meta holds.
type meta struct {
	schema  int
	hashKey int64
	policy  *bounce.Policy
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// mapOf reads the rows of a query as a map from the first of two columns to the second.
func mapOf[K comparable, V any](ctx context.Context, db querier, query string, args ...any) (map[K]V, error) {
	rows, err := db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	found := make(map[K]V)
	var key K
	var value V
	_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
		found[key] = value
		return nil
	})
	return found, err
}

const selectMeta = "SELECT name, value FROM bouncetail.fleet_meta"

func readMeta(ctx context.Context, db querier) (m meta, err error) {
	values, err := mapOf[string, string](ctx, db, selectMeta+`
		UNION ALL
		SELECT 'bytea_output', current_setting('bytea_output')`)
	if err != nil {
		return m, err
	}
	if is := values["bytea_output"]; is != "hex" { // pgbouncer does not take it from the connection
		return m, notReady(
			"bytea_output is " + is + " in PostgreSQL; as an administrator there: ALTER ROLE the user of the DSN SET bytea_output = hex",
		)
	}
	return metaOf(values)
}

// metaOf returns what fleet_meta holds by its values.
func metaOf(values map[string]string) (m meta, err error) {
	policy, complete := values["policy"]
	if !complete {
		return m, notReady("the table fleet_meta is incomplete; restore the database of the fleet from a backup")
	}
	m.schema, err = strconv.Atoi(values["schema"])
	if err == nil {
		m.hashKey, err = strconv.ParseInt(values["hash_key"], 10, 64)
	}
	if err == nil {
		m.policy = &bounce.Policy{}
		err = json.Unmarshal([]byte(policy), m.policy)
	}
	if err != nil {
		err = needsPerson("the table fleet_meta is damaged (" + err.Error() + "); restore the database of the fleet from a backup")
	}
	return m, err
}

// check returns an error unless this version, with a key by which addresses are hashed,
// can work with the fleet.
func (m *meta) check(hashKey int64) error {
	switch {
	case m.schema != schemaVersion:
		return otherSchema(m.schema)
	case m.hashKey == hashKey:
		return nil
	case m.hashKey == 0:
		return needsPerson(
			"the fleet holds addresses as they are, and privacy.hash_addresses is on here; use one setting on all hosts, or another database of PostgreSQL",
		)
	case hashKey == 0:
		return needsPerson(
			"the fleet holds hashes of addresses; set privacy.hash_addresses here, and privacy.key_file to the key of the other hosts",
		)
	}
	return needsPerson(
		"the fleet holds hashes of addresses that another key made; copy the key file of the other hosts to the path of privacy.key_file, and read the logs into a new database",
	)
}

func codeOf(err error) string {
	reply, _ := errors.AsType[*pgconn.PgError](err)
	if reply == nil {
		return ""
	}
	return reply.Code
}
