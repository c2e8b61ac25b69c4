package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// parseDSN returns the settings of a connection. TLS with a verified certificate is the
// default, unless the server is on this machine. Errors name the setting that has the DSN.
func parseDSN(dsn, setting string) (*pgx.ConnConfig, error) {
	if strings.TrimSpace(dsn) == "" {
		return nil, needsPerson(setting + " is empty; write the address of a PostgreSQL database there")
	}
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		if cause := causeOf(err, dsn); cause != "" {
			return nil, needsPerson(setting + ": " + cause)
		}
	}
	if err != nil || hasTwoParts(c) {
		// The reason is left out: it may quote the password.
		return nil, needsPerson(
			setting + " is not an address of PostgreSQL; write it as postgresql://USER@HOST/DATABASE, or as " +
				"host=HOST dbname=DATABASE user=USER, with the password in a file that PGPASSFILE names",
		)
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
		return parseDSN(dsn+separator, setting)
	}
	// A statement of a session does not outlive the transaction behind pgbouncer.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "bouncetail"
	}
	// The texts that are read and written do not depend on the settings of the user.
	maps.Copy(c.RuntimeParams, map[string]string{
		"client_encoding":             "UTF8",
		"datestyle":                   "ISO",
		"standard_conforming_strings": "on",
		"timezone":                    "UTC",
	})
	return c, nil
}

// hasTwoParts reports whether a part of a DSN holds another part, because something else
// than a space separates them: a semicolon, a comma, a second line. Such a part is not
// shown, since it may hold the password.
func hasTwoParts(c *pgx.ConnConfig) bool {
	hosts := []string{c.Host}
	for _, f := range c.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	if strings.Contains(strings.Join(hosts, " "), "@") { // in a password that is not percent-encoded
		return true
	}
	for name := range c.RuntimeParams {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") != "" {
			return true
		}
	}
	return slices.ContainsFunc(append(hosts, c.User, c.Database), func(part string) bool {
		return strings.ContainsAny(part, "=\r\n") || strings.Contains(part, "://")
	})
}

// causeOf returns why a DSN that may be an address cannot be used, or "". It quotes only
// paths of files.
func causeOf(err error, dsn string) string {
	text := err.Error()
	if file, is := errors.AsType[*fs.PathError](err); is {
		for _, c := range []struct{ reason, key string }{
			{"read CA file", "sslrootcert"},
			{"read sslkey", "sslkey"},
			{"read cert", "sslcert"},
		} {
			if strings.Contains(text, c.reason) {
				return fmt.Sprintf("%s: cannot read %s: %v; correct the path or the rights of the file", c.key, file.Path, file.Err)
			}
		}
	}
	for _, c := range []struct{ reason, advice string }{
		{"unable to add CA to cert pool", "the file of sslrootcert holds no certificate in PEM format"},
		{"sslmode is invalid", "sslmode is not one of disable, allow, prefer, require, verify-ca and verify-full"},
		{`both "sslcert" and "sslkey" are required`, "sslcert and sslkey need each other; give both or none"},
		{"failed to decode sslkey", "the file of sslkey holds no key in PEM format"},
		{"unable to find sslpassword", "the key of sslkey is encrypted; give sslpassword, or a key without one"},
		{"unable to decrypt key", "sslpassword does not decrypt the key of sslkey"},
		{"unable to load cert", "the files of sslcert and sslkey are no certificate with its key"},
		{"failed to read service", "the service is in none of the files of PGSERVICEFILE"},
		{"invalid connect_timeout", "connect_timeout is not a number of seconds"},
		{"unknown target_session_attrs value", "target_session_attrs is not one of any, read-write, read-only, primary, standby and prefer-standby"},
	} {
		// What the DSN says itself is not the reason.
		if strings.Contains(text, c.reason) && !strings.Contains(dsn, c.reason) {
			return c.advice
		}
	}
	return ""
}
