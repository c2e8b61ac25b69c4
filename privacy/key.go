package privacy

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/bouncetail/bouncetail/internal/openfile"
)

// maxKey is the largest file of a key, in bytes.
const maxKey = 1 << 20

// LoadKey returns a hasher with the key in a file.
func LoadKey(path string) (*Hasher, error) {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("privacy.key_file: "+format, args...)
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, wrong("%[1]s does not exist; put back the one that was there, or make the first with: (umask 077; head -c 32 /dev/urandom | base64 >%[1]s), and give it to the user of the daemon: chown bouncetail %[1]s", path)
	}
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		return nil, wrong("everybody may read %s or write to it; mend that with: chmod o= %s", path, path)
	}
	text, readErr := openfile.Read(path, maxKey)
	if err = errors.Join(err, readErr); errors.Is(err, os.ErrPermission) {
		return nil, wrong("%[1]s may not be read by this user; run as root or as the user of the daemon, whose it has to be: chown bouncetail %[1]s", path)
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	h, err := NewHasher([]byte(strings.TrimSpace(string(text))))
	if err != nil {
		return nil, wrong("%s holds %w; make one with: head -c 32 /dev/urandom | base64", path, err)
	}
	return h, nil
}

// A Scrubber removes texts from a stored value. It returns the value without them
// and whether it changed.
type Scrubber func(data []byte, scrub func(text string) (string, bool)) (rest []byte, changed bool, err error)

// Sealed returns a Scrubber for values that h has sealed. A nil Hasher seals
// nothing.
func (h *Hasher) Sealed(inner Scrubber) Scrubber {
	if h == nil {
		return inner
	}
	return func(sealed []byte, scrub func(string) (string, bool)) ([]byte, bool, error) {
		data, err := h.Open(sealed)
		if err != nil {
			return nil, false, err
		}
		rest, changed, err := inner(data, scrub)
		if err != nil || !changed {
			return sealed, false, err
		}
		return h.Seal(rest), true, nil
	}
}
