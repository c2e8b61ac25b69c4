package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// AppliedPolicy returns the policy that the states follow.
func AppliedPolicy(ctx context.Context, db sqldb.Querier) (*bounce.Policy, error) {
	p := &bounce.Policy{}
	var text string
	err := db.QueryRowContext(ctx, "SELECT settings FROM applied_policy").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), p)
	}
	if err != nil {
		return nil, fmt.Errorf("policy in force: %w", err)
	}
	return p, nil
}
