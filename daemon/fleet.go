package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/tune"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	view "github.com/bouncetail/bouncetail/view/fleet"
)

// Fleet returns what package fleet needs of the settings.
func Fleet(c config.Config, version string, log *slog.Logger) (s fleet.Settings, err error) {
	if !c.Fleet.Configured() {
		return s, &config.Error{Err: errors.New(
			"fleet.dsn is empty; write the address of a PostgreSQL database there, or the path of a file with it to fleet.dsn_file. docs/fleet.md shows how to begin",
		)}
	}
	hash, err := OpenHasher(c.Privacy)
	if err != nil {
		return s, &config.Error{Err: err}
	}
	s = fleet.Settings{
		Instance:    c.Fleet.Instance,
		Database:    c.Database,
		Version:     version,
		HashKey:     hash.ID(),
		Policy:      policyOf(c.Policy, c.Crowds),
		HideReplies: !c.Fleet.Replies,
		Log:         log,
	}
	r := &c.Retention
	s.Keep = fleet.Retention{
		Bounces:       r.Bounces,
		Recipients:    r.Recipients,
		DailyCounts:   r.DailyCounts,
		Gaps:          r.Gaps,
		UnparsedLines: r.UnparsedLines,
		Incidents:     r.Incidents,
	}
	if c.Fleet.Decisions {
		s.Host = fleetHost{c, log}
	}
	if c.Fleet.DSNFile != "" {
		s.DSNSetting = "fleet.dsn_file"
	}
	var warning string
	if s.DSN, warning, err = dsnOf(c.Fleet); err != nil {
		return s, &config.Error{Err: err}
	}
	if warning != "" {
		log.Warn("the DSN is not protected", "warning", warning)
	}
	if s.Instance == "" {
		if s.Instance, err = os.Hostname(); err != nil {
			return s, fmt.Errorf("fleet.instance: %w", err)
		}
	}
	return s, nil
}

// dsnOf returns the DSN, and a warning if everybody may read the file that holds it.
func dsnOf(c config.Fleet) (dsn, warning string, err error) {
	if dsn, err = secretOf("fleet.dsn_file", c.DSN, c.DSNFile); err != nil || c.DSNFile == "" {
		return dsn, "", err
	}
	if info, err := os.Stat(c.DSNFile); err == nil && info.Mode().IsRegular() && info.Mode()&0o004 != 0 {
		warning = fmt.Sprintf(
			"fleet.dsn_file: everybody may read %[1]s, which may hold a password; mend that with: chmod o= %[1]s",
			c.DSNFile,
		)
	}
	return dsn, warning, nil
}

// fleetWarnings returns what may be wrong with the file of the DSN.
func fleetWarnings(c config.Fleet) []string {
	switch _, warning, err := dsnOf(c); {
	case err != nil:
		return []string{err.Error()}
	case warning != "":
		return []string{warning}
	}
	return nil
}

// SendToFleet sends what the database holds and what comes, and writes the maps of the
// bad addresses of the fleet if publish.from says so, until ctx is done. With once, it
// does that one time, and returns what was sent.
func SendToFleet(ctx context.Context, c config.Config, version string, log *slog.Logger, once bool) (sent fleet.Sent, err error) {
	s, err := Fleet(c, version, log)
	if err != nil {
		return sent, err
	}
	tune.Send()
	sender := &fleet.Sender{Settings: s}
	bad := &view.BadList{Settings: s}
	defer bad.Close()
	p := newPublisher(c.Publish, bad, version, nil, log)
	noteMaps(p, func(name string, value int64) error { return dbfile.NoteBeside(ctx, c.Database, name, value) })
	publishes := c.Publish.From == "fleet" && c.Publish.Directory != ""
	if once {
		if sent, err = sender.SendAll(ctx); err == nil && publishes {
			_, err = p.Publish(ctx)
		}
		return sent, asConfigError(err)
	}
	s.Log.Info("sending to the fleet", "instance", s.Instance)
	ctx, stop := context.WithCancel(ctx)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	defer stop()
	if publishes {
		publishing.Go(func() { p.Run(ctx) })
	}
	if err = sender.Run(ctx); err == nil {
		s.Log.Info("stopped")
	}
	return sent, asConfigError(err)
}

// asConfigError makes an error that only a person can mend one of the settings, so that
// systemd does not start the unit again.
func asConfigError(err error) error {
	if _, is := errors.AsType[fleet.NeedsPerson](err); is {
		return &config.Error{Err: err}
	}
	return err
}

// FleetCommand is a command below bouncetail fleet that does one thing and reports it.
type FleetCommand struct {
	Use, Short, Long, Example string
	Do                        func(ctx context.Context, s fleet.Settings, args []string) (result any, sentence string, err error)
}

// FleetCommands are the commands for the fleet as a whole, and for what seldom happens.
var FleetCommands = []FleetCommand{
	{
		Use:   "init",
		Short: "Create or upgrade the tables and roles of a fleet",
		Long: "Init creates the schema bouncetail in the database of the DSN, and the roles\n" +
			"bouncetail_sender and bouncetail_reader. It needs a user that may do both. The states\n" +
			"of the fleet follow the policy of the settings of this host. Tables of an older\n" +
			"bouncetail are upgraded, and keep all that they hold.",
		Example: "  sudo -u postgres env BOUNCETAIL_FLEET_DSN='host=/run/postgresql dbname=mail' \\\n    bouncetail fleet init",
		Do: func(ctx context.Context, s fleet.Settings, _ []string) (any, string, error) {
			made, err := s.Init(ctx)
			sentence := "The tables of the fleet are there already. Nothing has changed."
			switch {
			case made.Upgraded():
				sentence = fmt.Sprintf(
					"The tables of the fleet are upgraded from schema %d to %d. Upgrade bouncetail on the hosts that send: each continues when it is upgraded.",
					made.Before, made.Schema,
				)
			case made.Created:
				sentence = "The tables of the fleet are created. GRANT bouncetail_sender to the users that hosts connect as."
			}
			return made, sentence, asConfigError(err)
		},
	},
	{
		Use:   "adopt",
		Short: "Make this database the one of this host in the fleet",
		Long: "Adopt is for a database that takes the place of the one that was sent before, such as\n" +
			"a restored backup, or that is a copy of one that is sent by another host. It sends\n" +
			"everything again. What the fleet has stays as it is.",
		Do: func(ctx context.Context, s fleet.Settings, _ []string) (any, string, error) {
			err := asConfigError((&fleet.Sender{Settings: s}).Adopt(ctx))
			return map[string]any{"instance": s.Instance, "adopted": true},
				"The database is that of " + s.Instance + " from now on. bouncetail fleet send sends it again.", err
		},
	},
	{
		Use:   "remove INSTANCE",
		Short: "Take a host that is gone out of the fleet",
		Long: "Remove is for a host that is gone for good: fleet status no longer reports it as silent.\n" +
			"What it has sent stays. It cannot send again without bouncetail fleet adopt. A host\n" +
			"that still sends is not removed.",
		Example: "  bouncetail fleet remove mx3",
		Do: func(ctx context.Context, s fleet.Settings, args []string) (any, string, error) {
			err := asConfigError(s.Remove(ctx, args[0]))
			return map[string]any{"instance": args[0], "removed": true},
				text.Printable(args[0]) + " is removed. What it has sent stays in the fleet.", err
		},
	},
	{
		Use:   "resend",
		Short: "Have verdicts and counters of this host sent again",
		Long: "Resend has fleet send compare the verdicts on all failures of this host, its counters\n" +
			"and its incidents with those in the fleet, and correct these. After bouncetail\n" +
			"reclassify, it does so by itself.",
		Do: func(ctx context.Context, s fleet.Settings, _ []string) (any, string, error) {
			err := asConfigError(s.Resend(ctx))
			return map[string]any{"instance": s.Instance, "resends": true},
				"bouncetail fleet send sends the verdicts of " + s.Instance + " again.", err
		},
	},
	{
		Use:   "maintain",
		Short: "Delete from the fleet what is older than the settings keep it",
		Long: "Maintain deletes from PostgreSQL what the settings retention of this host do not\n" +
			"keep: failures that no state follows from any more, addresses without a failure for\n" +
			"so long, counts by day, gaps, lines that were not parsed, and incidents that are\n" +
			"over. No state changes. It works in short transactions, between which senders send.\n" +
			"It needs the user that owns the tables, as init does;\n" +
			"bouncetail-fleet-maintain.timer runs it every night.",
		Do: func(ctx context.Context, s fleet.Settings, _ []string) (any, string, error) {
			if s.Keep == (fleet.Retention{}) {
				return fleet.Deleted{}, "Nothing is deleted: the settings retention of this host keep everything.", nil
			}
			done, err := s.Maintain(ctx, time.Now())
			return done, deletedFromFleet(&done), asConfigError(err)
		},
	},
	{
		Use:   "rebuild",
		Short: "Make the states of the fleet again, under the policy of this host",
		Long: "Rebuild makes the crowds and the states of all addresses again from the failures, in\n" +
			"one transaction, under the settings policy and crowds of this host. Senders wait for\n" +
			"it. It needs the user that owns the tables, as init does.",
		Do: func(ctx context.Context, s fleet.Settings, _ []string) (any, string, error) {
			changes, err := s.Rebuild(ctx)
			return map[string]any{"changed": changes.Rows, "now_bad": changes.Bad, "no_longer_bad": changes.Good},
				fmt.Sprintf(
					"%s changed: %d are bad now, %d are not any more.",
					text.Amount(changes.Rows, "recipient"), changes.Bad, changes.Good,
				), asConfigError(err)
		},
	},
}

// FleetStatus returns how the hosts are doing, and whether one of them is silent, or has
// still to forget an address.
func FleetStatus(ctx context.Context, q *Question) (all []fleet.InstanceStatus, troubled bool, err error) {
	s, err := Fleet(q.Config, q.Version, q.Log)
	if err != nil {
		return nil, false, err
	}
	all, err = s.Status(ctx)
	for i := range all {
		troubled = troubled || all[i].Silent || all[i].ToForget > 0
	}
	return all, troubled, asConfigError(err)
}

// deletedFromFleet says what Maintain has deleted.
func deletedFromFleet(d *fleet.Deleted) string {
	said := []string{text.Amount(d.Failures, "failure"), text.Amount(d.Recipients, "address")}
	for _, one := range []struct {
		n  int
		of string
	}{{d.DailyCounts, "count"}, {d.Gaps, "gap"}, {d.UnparsedLines, "unparsed line"}, {d.Incidents, "incident"}} {
		if one.n > 0 {
			said = append(said, text.Amount(one.n, one.of))
		}
	}
	last := len(said) - 1
	return strings.Join(said[:last], ", ") + " and " + said[last] + " deleted."
}
