package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/sqlite"
)

func (a *app) hash() *cobra.Command {
	var from string
	var asJSON bool
	c := &cobra.Command{
		Use:   "hash ADDRESS…",
		Short: "Print the hashes under which addresses are stored",
		Long: "Hash prints for each address the hash that stands for it where the setting\n" +
			"privacy.hash_addresses is on, one a line and in the order in which they are given:\n" +
			"for queries of your own, and to compare with an export. The database is not asked.",
		Example: "  bouncetail hash jane@example.com",
	}
	c.Flags().StringVar(&from, "from-file", "", "also the addresses in `FILE`, one a line; - is standard input")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, with the address too")
	c.RunE = func(_ *cobra.Command, args []string) error {
		on, err := a.givenAddresses(args, from)
		if err != nil {
			return err
		}
		_, h, err := a.hashing()
		if err != nil {
			return err
		}
		if h == nil {
			return errors.New("addresses are not hashed; see privacy.hash_addresses in the settings")
		}
		type hashed struct {
			Address string `json:"address"`
			Hash    string `json:"hash"`
		}
		all := make([]hashed, len(on))
		for i, to := range on {
			all[i] = hashed{to.Normal, h.Hashed(to).Normal}
		}
		if asJSON {
			return printObjects(a, all)
		}
		var lines strings.Builder
		for _, one := range all {
			fmt.Fprintln(&lines, one.Hash)
		}
		_, err = fmt.Fprint(a.stdout, lines.String())
		return err
	}
	return c
}

// hasher returns what hashes addresses, and nil where they are stored as they
// are.
func hasher(c config.Privacy) (*address.Hasher, error) {
	if !c.HashAddresses {
		return nil, nil
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("privacy.key_file: "+format, args...)
	}
	info, err := os.Stat(c.KeyFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, wrong("%[1]s does not exist; put back the one that was there, or make the first with: (umask 077; head -c 32 /dev/urandom | base64 >%[1]s), and give it to the user of the daemon: chown bouncetail %[1]s", c.KeyFile)
	}
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		return nil, wrong("everybody may read %s or write to it; mend that with: chmod o= %s", c.KeyFile, c.KeyFile)
	}
	text, readErr := os.ReadFile(c.KeyFile)
	if err = errors.Join(err, readErr); errors.Is(err, os.ErrPermission) {
		return nil, wrong("%[1]s may not be read by this user; run as root or as the user of the daemon, whose it has to be: chown bouncetail %[1]s", c.KeyFile)
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	h, err := address.NewHasher([]byte(strings.TrimSpace(string(text))))
	if err != nil {
		return nil, wrong("%s holds %w; make one with: head -c 32 /dev/urandom | base64", c.KeyFile, err)
	}
	return h, nil
}

// hashing returns the settings, and what hashes addresses by them.
func (a *app) hashing() (c config.Config, h *address.Hasher, err error) {
	if c, err = a.settings(); err == nil {
		h, err = hasher(c.Privacy)
	}
	return c, h, err
}

// checkKey refuses settings by which the database does not hold its addresses.
// One that cannot be opened passes: that is told where it is needed.
func checkKey(ctx context.Context, c config.Config) error {
	h, err := hasher(c.Privacy)
	if err != nil {
		return err
	}
	r, err := sqlite.OpenReader(ctx, c.Database)
	if err != nil {
		return nil
	}
	return errors.Join(r.CheckKey(ctx, c.Database, h.ID()), r.Close())
}

// storedAs returns an address as the database has it. A hash needs no key.
func storedAs(ctx context.Context, c config.Config, r *sqlite.Reader, to bounce.Address) (bounce.Address, error) {
	if address.IsHashed(to) {
		return to, nil
	}
	h, err := hasher(c.Privacy)
	if err == nil {
		err = r.CheckKey(ctx, c.Database, h.ID())
	}
	if err != nil {
		return to, err
	}
	return h.Hashed(to), nil
}

// scrubSealed is logparse.ScrubState of a state that was encrypted.
func scrubSealed(h *address.Hasher) sqlite.Scrubber {
	if h == nil {
		return logparse.ScrubState
	}
	return func(sealed []byte, scrub func(string) (string, bool)) ([]byte, bool, error) {
		data, err := h.Open(sealed)
		if err != nil {
			return nil, false, err
		}
		rest, changed, err := logparse.ScrubState(data, scrub)
		if err != nil || !changed {
			return sealed, false, err
		}
		return h.Seal(rest), true, nil
	}
}
