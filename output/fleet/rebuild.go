package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// Rebuild makes the crowds and the states of the fleet again, under the policy of the
// settings, in one transaction. Senders wait for it. It needs the user that owns the
// tables.
func (s *Settings) Rebuild(ctx context.Context) (changes recipient.Changes, err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return changes, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	policy, err := json.Marshal(s.Policy)
	if err != nil {
		return changes, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		t := &transaction{Tx: tx, ctx: ctx}
		if _, err := tx.Exec(ctx, `
			UPDATE bouncetail.fleet_meta
			SET value = $1
			WHERE name = 'policy'`, string(policy)); err != nil {
			return err
		}
		if err := t.takeClock(1, s.HashKey); err != nil {
			return err
		}
		if _, err := t.rebuildCrowds(); err != nil {
			return err
		}
		err := t.replayAll()
		changes = t.changes
		return err
	})
	return changes, byOwner(err, "rebuild")
}

// byOwner explains the error of a command that needs the owner of the tables.
func byOwner(err error, command string) error {
	if codeOf(err) == "42501" { // insufficient privilege
		return NeedsPerson{fmt.Errorf(
			"the user of the DSN does not own the tables (%w); run this command as their owner, who ran bouncetail fleet init: BOUNCETAIL_FLEET_DSN=… bouncetail fleet %s",
			err, command,
		)}
	}
	return Explain(err)
}

// replayAll replays the histories of all addresses.
func (t *transaction) replayAll() error {
	for after, more := int64(-1<<63), true; more; {
		rows, err := t.Query(t.ctx, `
			SELECT recipient_key
			FROM bouncetail.recipients
			WHERE recipient_key > $1
			ORDER BY recipient_key
			LIMIT $2`, after, batchSize)
		if err != nil {
			return err
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		if more = len(keys) > 0; more {
			after = keys[len(keys)-1]
			if err := t.replayKeys(keys); err != nil {
				return err
			}
		}
	}
	return nil
}

// replayKeys replays the histories of addresses.
func (t *transaction) replayKeys(keys []int64) error {
	slices.Sort(keys)
	for some := range slices.Chunk(slices.Compact(keys), batchSize) {
		all := make(touches, len(some))
		for _, key := range some {
			all.of(key).replay = true
		}
		if err := t.refresh(all, make(map[int64]*recipientRow)); err != nil {
			return err
		}
	}
	return nil
}

// rebuildCrowds finds all crowds again, and returns the addresses whose state may change
// by that. What senders remember of refusals is not valid any more.
func (t *transaction) rebuildCrowds() (affected []int64, err error) {
	if _, err := t.Exec(t.ctx, newGeneration); err != nil {
		return nil, err
	}
	var first, last *time.Time
	if err := t.QueryRow(t.ctx, `
		SELECT min(occurred_at), max(occurred_at)
		FROM bouncetail.refusals`).Scan(&first, &last); err != nil {
		return nil, err
	}
	if t.in.Policy.Crowds.Addresses == 0 || first == nil { // they are switched off, or there is no refusal
		if _, err := t.Exec(t.ctx, "DELETE FROM bouncetail.crowds WHERE NOT frozen"); err != nil {
			return nil, err
		}
		return nil, t.readCrowds()
	}
	memory := recipient.CrowdMemory{}
	for _, week := range recipient.RebuildWeeks(bounce.Stamp(*first), bounce.Stamp(*last)) {
		f := recipient.CrowdFinder{Records: crowdRecords{transaction: t}, Memory: &memory, Limits: t.in.Policy.Crowds, Crowds: t.in.Crowds}
		f.News.Of = func(key int64) recipient.Reach { return recipient.Reach{Key: key} }
		changes, err := f.Rebuild(week)
		if err != nil {
			return nil, err
		}
		if err := t.saveCrowds(changes); err != nil {
			return nil, err
		}
		affected = append(affected, changes.Affected...)
	}
	return affected, nil
}
