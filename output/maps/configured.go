package maps

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Reference is a map that the configuration of a mail server names.
type Reference struct {
	Path string // of the map
	In   string // the file that names it
}

// configurations are the files in which Postfix and Exim can name maps.
var configurations = []string{
	"etc/postfix/*.cf", "etc/exim4/exim4.conf*", "etc/exim4/conf.d/*/*", "etc/exim/exim.conf", "etc/exim/*.conf",
}

// mapPath finds the names of our map files with an absolute path: in `texthash:/…`,
// `dbpath = /…`, `lsearch{/…}`, `file=/…`.
var mapPath = regexp.MustCompile(`/[^\s{}"',;:=]*/(?:suppressed\.db|access|transport|exim)\b`)

// Missing returns the maps that a mail server is configured to use and that do not
// exist: mail servers defer all mail then. A path counts if it is in dir, or if it
// names bouncetail. root is the directory in which the system is, such as /.
func Missing(root, dir string) ([]Reference, error) {
	var missing []Reference
	for _, pattern := range configurations {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // not readable by this user, or a directory
			}
			for _, path := range namedIn(string(text), dir) {
				_, err := os.Stat(filepath.Join(root, path))
				named := func(r Reference) bool { return r.Path == path }
				if errors.Is(err, fs.ErrNotExist) && !slices.ContainsFunc(missing, named) {
					missing = append(missing, Reference{path, "/" + strings.TrimPrefix(strings.TrimPrefix(file, root), "/")})
				}
			}
		}
	}
	return missing, nil
}

// namedIn returns the paths of our maps in a configuration, without comments.
func namedIn(text, dir string) []string {
	var paths []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, path := range mapPath.FindAllString(line, -1) {
			if dir != "" && filepath.Dir(path) == filepath.Clean(dir) || strings.Contains(path, "bouncetail") {
				paths = append(paths, path)
			}
		}
	}
	return paths
}
