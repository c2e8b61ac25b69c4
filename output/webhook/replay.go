package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// Replayed is the result of a replay.
type Replayed struct {
	Delivered int
	Refused   int // the program refuses these again; they stay dead letters
	// Dropped are dead letters that need not be delivered: the address has changed to a
	// state that the hook does not report, or the program cannot store it.
	Dropped int
	// LastRefusal is the error of the last recipient that was refused.
	LastRefusal error
}

// wants reports whether the hook reports a state. One that reports bad addresses also
// reports those that became suspect.
func (h *Hook) wants(s bounce.State) bool {
	return slices.Contains(h.States, string(s)) || s == bounce.StateSuspect && slices.Contains(h.States, string(bounce.StateBad))
}

// Replay sends the dead letters again, as the recipients are now. It skips those
// that the program refuses, and stops at an error that concerns the hook itself.
func (h *Hook) Replay(ctx context.Context) (result Replayed, err error) {
	h.prepare()
	rows, err := h.Store.DeadLetters(ctx, h.Name)
	if err != nil {
		return result, err
	}
	var wanted, done []bounce.Change
	for i := range rows {
		if h.wants(rows[i].State) {
			wanted = append(wanted, rows[i])
		} else {
			done = append(done, rows[i])
		}
	}
	h.soft = softBounces{} // a soft bounce that was refused was not reported
	chosen := h.choose(wanted)
	done = append(done, chosen.drop...)
	if err := h.Store.MarkDelivered(ctx, h.Name, 0, done, h.now()); err != nil {
		return result, err
	}
	result.Dropped = len(done)
	for chunk := range slices.Chunk(chosen.send, h.batch()) {
		if err := h.replay(ctx, chunk, &result); err != nil {
			left := len(chosen.send) - result.Delivered - result.Refused
			return result, fmt.Errorf("webhook %s: %w; %d recipients stay for another replay", h.Name, err, left+result.Refused)
		}
	}
	return result, nil
}

// replay sends recipients, in halves if the program refuses them.
func (h *Hook) replay(ctx context.Context, rows []bounce.Change, result *Replayed) error {
	err := h.send(ctx, rows)
	var answer refusal
	switch {
	case err == nil:
		if err := h.Store.MarkDelivered(ctx, h.Name, 0, rows, h.now()); err != nil {
			return err
		}
		result.Delivered += len(rows)
		return nil
	case !errors.As(err, &answer) || !answer.ofBody():
		return err
	case len(rows) == 1:
		h.Log.Warn("webhook refuses a recipient again, it stays a dead letter", "webhook", h.Name, "error", err)
		h.Log.Debug("refused recipient", "webhook", h.Name, "recipient", rows[0].Address())
		result.Refused++
		result.LastRefusal = err
		return h.Store.DeadLetter(ctx, h.Name, 0, rows, err.Error(), h.now())
	}
	half := len(rows) / 2
	if err := h.replay(ctx, rows[:half], result); err != nil {
		return err
	}
	return h.replay(ctx, rows[half:], result)
}
