package incidents

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Pending is what is unread of a source.
type Pending struct {
	Bytes  int64
	ReadAt time.Time // when a line of it was last read
}

// ReadPending returns the unread bytes of the files of each source. Files that this
// process cannot see, the journal and pipes have none.
func ReadPending(ctx context.Context, db sqldb.Querier) (map[string]Pending, error) {
	found := make(map[string]Pending)
	err := sqldb.ScanAll(ctx, db, `
		SELECT source, path, device, inode, offset, updated_at
		FROM positions
		WHERE closed = 0 AND cursor = ''`,
		func(scan func(...any) error) error {
			var source, path, updated string
			var device, inode, offset int64
			if err := scan(&source, &path, &device, &inode, &offset, &updated); err != nil {
				return err
			}
			info, err := os.Stat(path)
			if err != nil {
				return nil // it cannot be seen
			}
			stat, ok := info.Sys().(*syscall.Stat_t)
			if !ok || !info.Mode().IsRegular() || int64(stat.Dev) != device || int64(stat.Ino) != inode {
				return nil
			}
			p := found[source]
			p.Bytes += max(info.Size()-offset, 0)
			if at := bounce.ParseStamp(updated); at.After(p.ReadAt) {
				p.ReadAt = at
			}
			found[source] = p
			return nil
		})
	return found, err
}

// stalledAfter is how long new lines may wait.
const stalledAfter = 15 * time.Minute

// Stalled returns the logs that have new lines and of which nothing was read for
// some time.
func (w *Watcher) Stalled(ctx context.Context, now time.Time) ([]incident.Finding, error) {
	pending, err := ReadPending(ctx, w.db)
	var all []incident.Finding
	for source, p := range pending {
		if p.Bytes == 0 || now.Sub(p.ReadAt) < stalledAfter {
			continue
		}
		f := incident.Finding{Since: p.ReadAt.UnixMilli(), Until: now.UnixMilli(), Rings: true}
		f.Kind, f.Subject = incident.LogStalled, source
		all = append(all, f)
	}
	return all, err
}
