package sqlite

import (
	"context"
	"fmt"
)

// erase makes SQLite overwrite what is deleted with zeros until the returned
// function is called. Several goroutines may do so at a time.
func (s *Store) erase(ctx context.Context) (end func() error, err error) {
	set := func(ctx context.Context, value int) error {
		if _, err := s.db.ExecContext(ctx, fmt.Sprintf("PRAGMA secure_delete = %d", value)); err != nil {
			return fmt.Errorf("database %s: %w", s.file.Path, err)
		}
		return nil
	}
	s.erasing.Lock()
	defer s.erasing.Unlock()
	if s.erasers == 0 {
		if err := s.db.QueryRowContext(ctx, "PRAGMA secure_delete").Scan(&s.erasedBefore); err != nil {
			return nil, fmt.Errorf("database %s: %w", s.file.Path, err)
		}
		if err := set(ctx, 1); err != nil {
			return nil, err
		}
	}
	s.erasers++
	return func() error {
		s.erasing.Lock()
		defer s.erasing.Unlock()
		if s.erasers--; s.erasers > 0 {
			return nil
		}
		return set(context.WithoutCancel(ctx), s.erasedBefore)
	}, nil
}
