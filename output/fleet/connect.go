package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bouncetail/bouncetail/bounce"
)

// oldest is the oldest version of PostgreSQL that is supported.
const oldest = 15

// connectTimeout is how long a server may take to answer a new connection.
const connectTimeout = 10 * time.Second

// ParseDSN returns the settings of a connection. TLS with a verified certificate is the
// default, unless the server is on this machine.
func ParseDSN(dsn string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The reason is left out: it may quote the password.
		return nil, needsPerson("fleet.dsn is not an address of PostgreSQL; write it as postgresql://USER@HOST/DATABASE, with the password in a file that PGPASSFILE names")
	}
	local := strings.HasPrefix(c.Host, "/") || c.Host == "localhost"
	if ip := net.ParseIP(c.Host); ip != nil {
		local = ip.IsLoopback()
	}
	if !local && !strings.Contains(dsn, "sslmode") && os.Getenv("PGSSLMODE") == "" {
		separator := " sslmode=verify-full"
		if strings.Contains(dsn, "://") {
			separator = "?sslmode=verify-full"
			if strings.Contains(dsn, "?") {
				separator = "&sslmode=verify-full"
			}
		}
		return ParseDSN(dsn + separator)
	}
	// A statement of a session does not outlive the transaction behind pgbouncer.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "bouncetail"
	}
	return c, nil
}

// connect connects to PostgreSQL.
func (s *Settings) connect(ctx context.Context) (*pgx.Conn, error) {
	c, err := ParseDSN(s.DSN)
	if err != nil {
		return nil, err
	}
	if s.dial != nil {
		c.DialFunc = s.dial
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, explain(err, c)
	}
	version, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	major := 0
	if _, err := fmt.Sscanf(version, "%d", &major); err != nil || major < oldest {
		return nil, errors.Join(needsPerson(fmt.Sprintf("the server is PostgreSQL %s, and a fleet needs version %d or later; upgrade it, or name another server in fleet.dsn", version, oldest)), conn.Close(ctx))
	}
	return conn, nil
}

// Connect connects to a fleet that this version, with the key of the settings, can work
// with.
func (s *Settings) Connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	m, err := readMeta(ctx, conn)
	if err == nil {
		err = m.check(s.HashKey)
	}
	if err != nil {
		return nil, errors.Join(Explain(err), conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

// Policy returns the policy that the states of a fleet follow.
func Policy(ctx context.Context, conn *pgx.Conn) (*bounce.Policy, error) {
	m, err := readMeta(ctx, conn)
	return m.policy, Explain(err)
}

// explain adds the next step to the error of a connection. It does not quote the DSN,
// which may hold a password.
func explain(err error, c *pgx.ConnConfig) error {
	server := c.Host
	if !strings.HasPrefix(server, "/") {
		server = net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
	}
	reply, isReply := errors.AsType[*pgconn.PgError](err)
	if !isReply {
		return fmt.Errorf("PostgreSQL at %s does not answer (%w); is it running, and is fleet.dsn right?", server, lastOf(err))
	}
	switch reply.Code {
	case "28P01", "28000": // invalid password, invalid authorization
		return fmt.Errorf("PostgreSQL at %s refuses the user %s (%s); check fleet.dsn, PGPASSFILE and pg_hba.conf", server, c.User, reply.Message)
	case "3D000": // invalid catalog name
		return fmt.Errorf("PostgreSQL at %s has no database %s; create it with createdb, or name another one in fleet.dsn", server, c.Database)
	}
	return fmt.Errorf("PostgreSQL at %s: %s", server, reply.Message)
}

// lastOf returns the innermost error, without the addresses that were tried.
func lastOf(err error) error {
	for {
		switch next := errors.Unwrap(err); {
		case next != nil:
			err = next
		default:
			if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 { //nolint:errorlint // the one in hand
				err = many.Unwrap()[0]
				continue
			}
			return err
		}
	}
}

// Explain adds the next step to an error of a statement.
func Explain(err error) error {
	reply, isReply := errors.AsType[*pgconn.PgError](err)
	if !isReply {
		return err
	}
	switch reply.Code {
	case "57P01", "57P02", "57P03": // shutdown, crash of another process, not ready
		return fmt.Errorf("PostgreSQL is not available: %s", reply.Message)
	case "3F000", "42P01": // invalid schema name, undefined table
		return needsPerson("the database of fleet.dsn has no tables of a fleet; run: bouncetail fleet init")
	case "42501": // insufficient privilege
		return NeedsPerson{fmt.Errorf("%s; as an administrator of PostgreSQL: GRANT bouncetail_sender TO the user of fleet.dsn, or bouncetail_reader if it only reads", reply.Message)}
	}
	return err
}
