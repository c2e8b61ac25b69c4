package daemon

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// CheckOutput returns an error if a file that is to be written would replace a database,
// or one that the settings name to be read.
func CheckOutput(c *config.Config, path string) error {
	target, err := os.Stat(path)
	if err != nil {
		return nil // nothing is replaced
	}
	used := map[string]string{c.Privacy.KeyFile: "the key of the addresses", c.Web.UsersFile: "the list of users"}
	for _, end := range []string{"", "-wal", "-shm", ".lock", ".sock"} {
		used[c.Database+end] = "a file of the database"
	}
	logs := slices.Clone(config.DefaultLogPaths)
	for _, source := range c.Sources {
		logs = append(logs, source.Path)
	}
	for _, log := range logs {
		used[log] = "a log to follow"
		found, _ := filepath.Glob(log) // a path with a bad pattern is a file
		for _, one := range found {
			used[one] = "a log to follow"
		}
	}
	for name, what := range used {
		if info, err := os.Stat(name); err == nil && os.SameFile(info, target) {
			return fmt.Errorf("%s is %s; name another file to write", path, what)
		}
	}
	if isSQLite(path) {
		return fmt.Errorf("%s is a database; name another file to write", path)
	}
	return nil
}

func isSQLite(path string) bool {
	f, err := openfile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(sqldb.FileHeader))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == sqldb.FileHeader
}
