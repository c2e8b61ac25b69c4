package daemon

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/migrations"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// oldDatabase makes a database with the first n migrations, and returns settings that name it.
func oldDatabase(t *testing.T, n int) config.Config {
	t.Helper()
	c := config.Default()
	c.Database = filepath.Join(t.TempDir(), "old.db")
	db := sqldb.Connect(c.Database, "rwc", "_journal_mode=WAL")
	defer db.Close()
	if err := dbfile.Apply(t.Context(), db, migrations.All()[:n]...); err != nil {
		t.Fatal(err)
	}
	return c
}

// A command that reads refuses a database of an older version, and names one that
// migrates it.
func TestRebuildMigratesAnOlderDatabase(t *testing.T) {
	c := oldDatabase(t, len(migrations.All())-1)
	if _, err := query.OpenReader(t.Context(), c.Database); err == nil || !strings.Contains(err.Error(), "run bouncetail recipients rebuild") {
		t.Fatalf("OpenReader(an older database): %v, want the command that updates it", err)
	}
	if n, err := new(Rebuild).Run(t.Context(), c, slog.New(slog.DiscardHandler)); n != 0 || err != nil {
		t.Errorf("Rebuild of an older database: %d, %v, want 0 rows corrected", n, err)
	}
	r, err := query.OpenReader(t.Context(), c.Database)
	if err != nil {
		t.Fatalf("OpenReader after a rebuild: %v", err)
	}
	r.Close()
}

func TestChangesRefuseANewerDatabase(t *testing.T) {
	c := oldDatabase(t, len(migrations.All()))
	db := sqldb.Connect(c.Database, "rw", "")
	_, err := db.ExecContext(t.Context(), "PRAGMA user_version = 99")
	db.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(Rebuild).Run(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "newer bouncetail (schema 99") {
		t.Errorf("Rebuild of a newer database: %v, want that it is newer", err)
	}
}

// A daemon of an older version does not migrate the database, so that it is not asked.
func TestADaemonOfAnOlderVersionHasToBeRestarted(t *testing.T) {
	c := oldDatabase(t, len(migrations.All())-1)
	asked := false
	server := &control.Server{
		Handle:  func(context.Context, *control.Request) (any, error) { asked = true; return 0, nil },
		Kind:    kindOf,
		Version: "0.3.0",
		Log:     slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(t.Context())
	wait, err := server.Serve(ctx, control.SocketOf(c.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); wait() }()
	if _, err := new(Rebuild).Run(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "restart the daemon") || asked {
		t.Errorf("Rebuild with an older daemon: %v, and it was asked: %v; want that it has to be restarted", err, asked)
	}
}
