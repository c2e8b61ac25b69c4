package daemon

import (
	"context"
	"errors"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// OpenHasher returns the hasher that the settings ask for, and nil if addresses
// are stored as they are.
func OpenHasher(c config.Privacy) (*privacy.Hasher, error) {
	if !c.HashAddresses {
		return nil, nil
	}
	return privacy.LoadKey(c.KeyFile)
}

// hasherOf returns the hasher for the addresses of a database. It returns an error if
// the key of the settings is not the one that the database was written with. That of a
// fleet is checked when it is opened.
func hasherOf(ctx context.Context, c config.Config, r *query.Reader) (*privacy.Hasher, error) {
	h, err := OpenHasher(c.Privacy)
	if err == nil && !r.IsFleet() {
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

// checkKey returns an error if the database was written with another key than that
// of the settings. A database that cannot be opened is no error here.
func checkKey(ctx context.Context, c config.Config) error {
	h, err := OpenHasher(c.Privacy)
	if err != nil {
		return err
	}
	r, err := query.OpenReader(ctx, c.Database)
	if err != nil {
		return nil
	}
	return errors.Join(r.CheckKey(ctx, c.Database, h.ID()), r.Close())
}

// Hash is an address with the hash that stands for it in a database.
type Hash struct {
	Address string `json:"address"`
	Hash    string `json:"hash"`
}

// Hashes returns the hashes of addresses, in their order.
func Hashes(c config.Privacy, on []bounce.Address) ([]Hash, error) {
	h, err := OpenHasher(c)
	if err != nil {
		return nil, err
	}
	if h == nil {
		return nil, errors.New("addresses are not hashed; see privacy.hash_addresses in the settings")
	}
	all := make([]Hash, len(on))
	for i, to := range on {
		all[i] = Hash{to.Normal, h.Hashed(to).Normal}
	}
	return all, nil
}
