package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bouncetail/bouncetail/bounce"
)

// oldest is the oldest version of PostgreSQL that is supported.
const oldest = 15

// connectTimeout is how long a server may take to answer a new connection.
const connectTimeout = 10 * time.Second

// tlsError returns the error with the next step if the server answers, and TLS with it
// fails, else nil.
func tlsError(err error, server, host, setting string) error {
	var (
		unknown   x509.UnknownAuthorityError
		otherName x509.HostnameError
		invalid   x509.CertificateInvalidError
		failed    *tls.CertificateVerificationError
		alert     tls.AlertError
		noTLS     tls.RecordHeaderError
	)
	text := err.Error()
	switch {
	case strings.Contains(text, "server refused TLS connection"):
		return fmt.Errorf("PostgreSQL at %s offers no TLS; set ssl=on there, with ssl_cert_file and ssl_key_file", server)
	case errors.As(err, &otherName):
		return fmt.Errorf(
			"the certificate of PostgreSQL at %s is not for the host name %s (%w); use a name of the certificate as host in %s, or make a certificate for this name",
			server, host, otherName, setting,
		)
	case errors.As(err, &unknown):
		return fmt.Errorf(
			"the certificate of PostgreSQL at %s is not trusted here (%w); name the certificate, or that of its authority, in sslrootcert of %s",
			server, unknown, setting,
		)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate of PostgreSQL at %s is not valid now (%w); renew it, or correct the clock", server, invalid)
	case errors.As(err, &invalid), errors.As(err, &failed):
		return fmt.Errorf(
			"the certificate of PostgreSQL at %s cannot be used (%w); check it, and sslrootcert in %s",
			server, lastOf(err), setting,
		)
	case errors.As(err, &alert), errors.As(err, &noTLS), strings.Contains(text, "tls: "):
		return fmt.Errorf(
			"PostgreSQL at %s and this host do not agree on TLS (%w); check ssl=on and the certificate there, and sslmode, sslcert and sslkey in %s",
			server, lastOf(err), setting,
		)
	}
	return nil
}

// connect connects to PostgreSQL.
func (s *Settings) connect(ctx context.Context) (*pgx.Conn, error) {
	setting := cmp.Or(s.DSNSetting, "fleet.dsn")
	c, err := parseDSN(s.DSN, setting)
	if err != nil {
		return nil, err
	}
	if s.dial != nil {
		c.DialFunc = s.dial
	}
	watchStalls(c)
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, explain(ctx, err, c, setting)
	}
	version, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	major := 0
	if _, err := fmt.Sscanf(version, "%d", &major); err != nil || major < oldest {
		return nil, errors.Join(needsPerson(fmt.Sprintf(
			"the server is PostgreSQL %s, and a fleet needs version %d or later; upgrade it, or name another server in %s",
			version, oldest, setting,
		)), conn.Close(ctx))
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
func explain(ctx context.Context, err error, c *pgx.ConnConfig, setting string) error {
	server := serverOf(c)
	reply, isReply := errors.AsType[*pgconn.PgError](err)
	if !isReply {
		if isForeign(ctx, c) {
			return fmt.Errorf(
				"what answers at %s is not PostgreSQL (%w); correct the host and the port in %s",
				server, lastOf(err), setting,
			)
		}
		if isOtherServer(err) {
			return fmt.Errorf(
				"PostgreSQL at %s is not what target_session_attrs asks for (%w); name all servers in %s, or wait until one takes over",
				server, lastOf(err), setting,
			)
		}
		if failed := tlsError(err, server, c.Host, setting); failed != nil {
			return failed
		}
		return fmt.Errorf("PostgreSQL at %s does not answer (%w); is it running, and is %s right?", server, lastOf(err), setting)
	}
	switch reply.Code {
	case "28P01", "28000": // invalid password, invalid authorization
		return fmt.Errorf(
			"PostgreSQL at %s refuses the user %s (%s); check %s, PGPASSFILE and pg_hba.conf",
			server, c.User, reply.Message, setting,
		)
	case "3D000": // invalid catalog name
		return fmt.Errorf(
			"PostgreSQL at %s has no database %s; create it with createdb, or name another one in %s",
			server, c.Database, setting,
		)
	case "57P01", "57P02", "57P03": // shutdown, crash of another process, not ready
		return fmt.Errorf("PostgreSQL at %s is not ready (%s); try again when it is", server, reply.Message)
	case "53300": // too many connections
		return fmt.Errorf(
			"PostgreSQL at %s has no connection left (%s); end others, or raise max_connections there or the CONNECTION LIMIT of the user %s",
			server, reply.Message, c.User,
		)
	}
	return fmt.Errorf("PostgreSQL at %s: %s; check %s", server, reply.Message, setting)
}

// isOtherServer reports whether a server is not what target_session_attrs asks for.
func isOtherServer(err error) bool {
	return errors.Is(err, pgconn.ErrReadOnlyConnection) ||
		errors.Is(err, pgconn.ErrReadWriteConnection) ||
		errors.Is(err, pgconn.ErrPrimaryConnection) ||
		errors.Is(err, pgconn.ErrStandbyConnection)
}

// Server returns where PostgreSQL is, without the rest of the DSN, which may hold a
// password: a host with its port, or the directory of a socket.
func (s *Settings) Server() (string, error) {
	c, err := parseDSN(s.DSN, cmp.Or(s.DSNSetting, "fleet.dsn"))
	if err != nil {
		return "", err
	}
	return serverOf(c), nil
}

func serverOf(c *pgx.ConnConfig) string {
	if strings.HasPrefix(c.Host, "/") {
		return c.Host
	}
	return net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
}

// answerTimeout is how long isForeign waits for an answer.
const answerTimeout = 2 * time.Second

// isForeign reports whether something answers that is not PostgreSQL. A server of
// PostgreSQL answers the question for TLS with one letter.
func isForeign(ctx context.Context, c *pgx.ConnConfig) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	network, address := pgconn.NetworkAddress(c.Host, c.Port)
	letter, conn := firstByte(ctx, c.DialFunc, network, address)
	if conn == nil {
		return false
	}
	defer conn.Close()
	switch letter {
	case 0: // no answer: it may be a server that is shutting down, or that is stopped
		return false
	case ssh[0]:
		rest := make([]byte, len(ssh)-1)
		n, _ := io.ReadFull(conn, rest)
		return string(rest[:n]) == ssh[1:]
	}
	return letter != 'N' && letter != 'E' // no TLS, an error
}

// ssh begins what a server of SSH says, whose first letter is also the answer of
// PostgreSQL that it offers TLS.
const ssh = "SSH-"

// lastOf returns the innermost error, without the addresses that were tried.
func lastOf(err error) error {
	for {
		switch next := errors.Unwrap(err); {
		case next != nil:
			err = next
		default:
			if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
				err = many.Unwrap()[0]
				continue
			}
			return err
		}
	}
}

// Explain adds the next step to an error of a statement.
func Explain(err error) error {
	if errors.Is(err, errStalled) {
		return errStalled
	}
	if _, isFile := errors.AsType[*fs.PathError](err); isFile {
		return err // of what is written from the answer, such as a pipe that nobody reads
	}
	reply, isReply := errors.AsType[*pgconn.PgError](err)
	if !isReply {
		for _, end := range []error{pgconn.ErrConnClosed, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
			if errors.Is(err, end) {
				return fmt.Errorf("the connection to PostgreSQL broke (%w); is it running?", end)
			}
		}
		return err
	}
	switch reply.Code {
	case "57P01", "57P02", "57P03": // shutdown, crash of another process, not ready
		return fmt.Errorf("PostgreSQL is not available: %s", reply.Message)
	case "25006": // read only SQL transaction
		return fmt.Errorf(
			"PostgreSQL takes no changes (%s). If it is a standby, name the primary in the DSN, or all servers and target_session_attrs=read-write. If not, set default_transaction_read_only = off there",
			reply.Message,
		)
	case "57014", "55P03", "25P03": // query canceled, lock not available, idle in transaction
		if limit := timeLimit(reply.Message); limit != "" {
			return fmt.Errorf(
				"PostgreSQL ended what took too long (%[1]s). As an administrator of PostgreSQL, raise the limit: ALTER ROLE the user of the DSN SET %[2]s = '1min'",
				reply.Message, limit,
			)
		}
	case "53100": // disk full
		return fmt.Errorf("the disk of PostgreSQL is full (%s); free some space there", reply.Message)
	case "22003", "22007": // numeric value out of range, invalid datetime format
		return fmt.Errorf(
			"a row of the fleet holds a number or a day that bouncetail does not write (%s). Look at who can write to the tables, and correct the row as their owner",
			reply.Message,
		)
	case "3F000", "42P01": // invalid schema name, undefined table
		return notReady("the database has no tables of a fleet; run: bouncetail fleet init")
	case "42501": // insufficient privilege
		return notReady(
			reply.Message + ". As an administrator of PostgreSQL, run: GRANT bouncetail_sender TO the user of the DSN if it sends, and bouncetail_reader if it shows what all hosts have sent",
		)
	}
	return err
}

// timeLimit returns the setting of PostgreSQL whose time is over, by what it says, or an
// empty text.
func timeLimit(message string) string {
	for _, one := range []struct{ says, setting string }{
		{"statement timeout", "statement_timeout"},
		{"lock timeout", "lock_timeout"},
		{"idle-in-transaction timeout", "idle_in_transaction_session_timeout"},
	} {
		if strings.Contains(message, one.says) {
			return one.setting
		}
	}
	return ""
}
