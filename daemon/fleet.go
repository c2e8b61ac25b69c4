package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/output/fleet"
)

// Fleet returns what package fleet needs of the settings.
func Fleet(c config.Config, version string, log *slog.Logger) (s fleet.Settings, err error) {
	if !c.Fleet.Configured() {
		return s, &config.Error{Err: errors.New("fleet.dsn is empty; write the address of a PostgreSQL database there, or the path of a file with it to fleet.dsn_file. docs/fleet.md shows how to begin")}
	}
	hash, err := OpenHasher(c.Privacy)
	if err != nil {
		return s, &config.Error{Err: err}
	}
	s = fleet.Settings{Instance: c.Fleet.Instance, Database: c.Database, Version: version, HashKey: hash.ID(), Policy: Policy(c.Policy, c.Crowds), Log: log}
	if s.DSN, err = secretOf(c.Fleet.DSN, c.Fleet.DSNFile); err != nil {
		return s, &config.Error{Err: fmt.Errorf("fleet.dsn_file: %w", err)}
	}
	if s.Instance == "" {
		if s.Instance, err = os.Hostname(); err != nil {
			return s, fmt.Errorf("fleet.instance: %w", err)
		}
	}
	return s, nil
}

// SendToFleet sends what the database holds and what comes, until ctx is done. With
// once, it sends what there is. It returns what was sent then.
func SendToFleet(ctx context.Context, s fleet.Settings, once bool) (fleet.Sent, error) {
	sender := &fleet.Sender{Settings: s}
	if once {
		sent, err := sender.SendAll(ctx)
		return sent, persons(err)
	}
	s.Log.Info("sending to the fleet", "instance", s.Instance)
	return fleet.Sent{}, persons(sender.Run(ctx))
}

// persons makes an error that does not go away by itself one of the settings, so that
// systemd does not start the unit again.
func persons(err error) error {
	if _, is := errors.AsType[fleet.NeedsPerson](err); is {
		return &config.Error{Err: err}
	}
	return err
}

// AdoptInFleet makes the database of the settings the one of this host.
func AdoptInFleet(ctx context.Context, s fleet.Settings) error {
	return persons((&fleet.Sender{Settings: s}).Adopt(ctx))
}

// FleetStatus returns how the hosts are doing, and whether one of them is silent.
func FleetStatus(ctx context.Context, q *Question) (all []fleet.InstanceStatus, silent bool, err error) {
	s, err := Fleet(q.Config, q.Version, q.Log)
	if err != nil {
		return nil, false, err
	}
	all, err = s.Status(ctx)
	for i := range all {
		silent = silent || all[i].Silent
	}
	return all, silent, persons(err)
}
