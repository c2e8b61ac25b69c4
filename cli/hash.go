package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) hash() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "hash ADDRESS…",
		Short: "Print the hashes under which addresses are stored",
		Long: "Hash prints for each address the hash that stands for it where the setting\n" +
			"privacy.hash_addresses is on, one a line and in the order in which they are given:\n" +
			"for queries of your own, and to compare with an export. The database is not asked.",
		Example: "  bouncetail hash jane@example.com",
	}
	from := fromFile(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, with the address too")
	c.RunE = func(_ *cobra.Command, args []string) error {
		on, err := a.givenAddresses(args, *from)
		if err != nil {
			return err
		}
		settings, err := a.settings()
		if err != nil {
			return err
		}
		h, err := daemon.OpenHasher(settings.Privacy)
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
			return table.PrintObjects(a.stdout, all)
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

// hasherOf returns what hashes addresses as the database holds them.
func hasherOf(ctx context.Context, c config.Config, r *query.Reader) (*privacy.Hasher, error) {
	h, err := daemon.OpenHasher(c.Privacy)
	if err == nil {
		err = r.CheckKey(ctx, c.Database, h.ID())
	}
	return h, err
}

// storedAs returns an address as the database has it. A hash needs no key.
func storedAs(ctx context.Context, c config.Config, r *query.Reader, to bounce.Address) (bounce.Address, error) {
	if privacy.IsHashed(to) {
		return to, nil
	}
	h, err := hasherOf(ctx, c, r)
	if err != nil {
		return to, err
	}
	return h.Hashed(to), nil
}
