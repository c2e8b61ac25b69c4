package tailer

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Files returns the files of a path or glob: the live ones, and those that
// rotation made of them, the oldest first.
func Files(pattern string) (live, rotated []string) {
	live, err := filepath.Glob(pattern)
	if err != nil {
		return nil, nil
	}
	written := make(map[string]time.Time)
	for _, more := range []string{".*", "-*"} {
		found, err := filepath.Glob(pattern + more)
		if err != nil {
			continue
		}
		for _, path := range found {
			info, err := os.Stat(path)
			if err == nil && info.Mode().IsRegular() && !slices.Contains(live, path) {
				rotated = append(rotated, path)
				written[path] = info.ModTime()
			}
		}
	}
	slices.SortStableFunc(rotated, func(a, b string) int { return written[a].Compare(written[b]) })
	return live, rotated
}
