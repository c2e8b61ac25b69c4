package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// resending is the way of a sender through all failures whose verdicts may have changed.
type resending struct {
	target int64 // one more than feed.Rejudged; 0 if nothing is sent again
	after  int64 // the number of the last failure that was sent again
}

// Resend has all verdicts of this host sent again, as after bouncetail reclassify, and its
// counters and incidents compared again.
func (s *Settings) Resend(ctx context.Context) error {
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return Explain(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var removed bool
		err := tx.QueryRow(ctx, `
			UPDATE bouncetail.fleet_instances
			SET rejudged = -1
			WHERE instance = $1
			RETURNING removed_at IS NOT NULL`, s.Instance).Scan(&removed)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return needsPerson(
				"the fleet does not know " + s.Instance + "; enable bouncetail-fleet.service, which sends everything at first",
			)
		case err != nil:
			return err
		case removed:
			return isRemoved(s.Instance)
		}
		return compareFiguresAgain(ctx, tx, s.Instance)
	}))
}

// compareRejudged begins to send all verdicts again if failures were judged again.
func (s *Sender) compareRejudged(ctx context.Context, sent int64) error {
	n, err := s.source.feed.Rejudged(ctx)
	if err == nil && n != sent && s.resending.target != n+1 {
		s.resending = resending{target: n + 1}
	}
	return err
}

// verdictColumns are the key of bounces and the columns that depend on the rules.
var verdictColumns = slices.DeleteFunc(slices.Clone(failureColumns), func(c column[sentFailure]) bool {
	return !slices.Contains(append([]string{"recipient_key", "occurred_at", "event_id"}, verdictNames...), c.name)
})

var verdictNames = []string{
	"category",
	"reason",
	"scope",
	"disposition",
	"suppress",
	"rule",
	"provider",
	"blocklist",
	"retry_after",
	"url",
	"named_host",
}

var saveVerdicts = func() string {
	var set, was, is []string
	for _, name := range verdictNames {
		set = append(set, name+" = new."+name)
		if name != "retry_after" && name != "url" { // which a sender cannot read
			was, is = append(was, "b."+name), append(is, "new."+name)
		}
	}
	return `
		UPDATE bouncetail.bounces b
		SET ` + strings.Join(set, ", ") + `
		FROM ` + unnest(verdictColumns) + `
		WHERE b.recipient_key = new.recipient_key
		  AND b.occurred_at = new.occurred_at
		  AND b.event_id = new.event_id
		  AND (` + strings.Join(was, ", ") + `) IS DISTINCT FROM (` + strings.Join(is, ", ") + `)
		RETURNING b.event_id`
}()

// resendBatch sends the verdicts of the next failures again, in one transaction. After
// the last, it finds all crowds again.
func (s *Sender) resendBatch(ctx context.Context) error {
	var list []feed.Failure
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) (err error) {
		t := &transaction{Tx: tx, ctx: ctx}
		if _, err := s.lockInstance(t); err != nil {
			return err
		}
		if list, err = s.failures(ctx, s.source.feed, s.resending.after, batchSize); err != nil {
			return err
		}
		if err := t.takeClock(1, s.HashKey); err != nil {
			return err
		}
		keys, err := t.rejudge(list)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			if keys, err = t.rebuildCrowds(); err != nil {
				return err
			}
			if _, err := t.Exec(ctx, `
				UPDATE bouncetail.fleet_instances
				SET rejudged = $2
				WHERE instance = $1`, s.Instance, s.resending.target-1); err != nil {
				return err
			}
		}
		return t.replayKeys(keys)
	})
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		s.Log.Info("all verdicts are sent again")
		s.resending = resending{}
		s.crowds = crowdMemory{}
	default:
		s.resending.after = list[len(list)-1].ID
	}
	return nil
}

// rejudge stores the verdicts of failures, and returns the addresses of those that
// changed.
func (t *transaction) rejudge(list []feed.Failure) (keys []int64, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	rows := make([]sentFailure, len(list))
	byEvent := make(map[bounce.EventID]*feed.Failure, len(list))
	for i := range list {
		rows[i] = sentFailure{Failure: &list[i]}
		byEvent[list[i].Record.ID] = &list[i]
	}
	ids, err := execRows(t, saveVerdicts, verdictColumns, rows)
	var changed []refusal
	for _, id := range ids {
		sent := byEvent[bounce.EventID(id)]
		keys = append(keys, sent.Key)
		f := failureOf(sent)
		changed = append(changed, f.refusal(sent.Key, clean(sent.To.Domain)))
	}
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	_, err = execRows(t, `
		DELETE FROM bouncetail.refusals r
		USING unnest($1::bigint[], $2::timestamptz[], $3::bytea[]) AS old (recipient_key, occurred_at, event_id)
		WHERE r.recipient_key = old.recipient_key AND r.occurred_at = old.occurred_at AND r.event_id = old.event_id`,
		refusalColumns[:3], changed)
	if err != nil {
		return nil, err
	}
	var still []refusal
	for i := range changed {
		if f := byEvent[changed[i].event.id]; f.Suppress && f.Reason != bounce.Suppressed {
			still = append(still, changed[i])
		}
	}
	if len(still) > 0 {
		_, err = execRows(t, insertRefusals, refusalColumns, still, t.seq+1)
	}
	// What senders remember of refusals is not valid any more.
	if err == nil {
		_, err = t.Exec(t.ctx, newGeneration)
	}
	return keys, err
}
