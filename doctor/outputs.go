package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/maps"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// checkMaps reports whether the mail server can read the maps that are published,
// and maps that it is configured to use and that do not exist.
func (d *examiner) checkMaps(context.Context) {
	folder := d.settings.Publish.Directory
	missing, err := maps.Missing(cmp.Or(d.root, "/"), folder)
	if err != nil {
		d.say(Fail, "", "%v", err)
	}
	for _, m := range missing {
		d.say(Fail, "bouncetail publish -o "+filepath.Dir(m.Path)+"; or take the map out of "+m.In+", and reload the mail server",
			"%s does not exist, and %s uses it: the mail server defers all mail, or lets bad addresses pass", m.Path, m.In)
	}
	if folder == "" {
		return
	}
	for _, m := range maps.Maps {
		if !slices.Contains(d.settings.Publish.Maps, m.Name) {
			continue
		}
		path := filepath.Join(folder, m.File)
		if slices.ContainsFunc(missing, func(r maps.Reference) bool { return r.Path == path }) {
			continue // reported above
		}
		info, err := os.Stat(d.at(path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			unit := map[string]string{"local": "bouncetail", "fleet": "bouncetail-fleet"}[d.settings.Publish.From]
			d.say(Warn, "systemctl status "+unit+"; bouncetail publish writes it by hand", "%s is not written yet", path)
		case err != nil:
			d.say(Fail, "look at the rights of its folders", "%v", err)
		case info.Mode().Perm()&0o004 == 0:
			d.say(Fail, "chmod o+r "+path, "%s cannot be read by the mail server", path)
		default:
			if closed := d.closedFolder(folder); closed != "" {
				d.say(Fail, "chmod o+x "+closed, "%s cannot be reached by the mail server: the folder %s is closed to it", path, closed)
				continue
			}
			d.say(OK, "", "%s, written %s, %s bytes", path, info.ModTime().UTC().Format("2006-01-02 15:04 UTC"), text.Thousands(info.Size()))
		}
	}
}

// closedFolder returns the first folder on the way to a path that others may
// not pass, and an empty text where there is none.
func (d *examiner) closedFolder(folder string) string {
	closed := ""
	for ; folder != "/" && folder != "."; folder = filepath.Dir(folder) {
		if info, err := os.Stat(d.at(folder)); err == nil && info.Mode().Perm()&0o001 == 0 {
			closed = folder
		}
	}
	return closed
}

// checkWebhooks looks how far the webhooks are.
func (d *examiner) checkWebhooks(ctx context.Context) {
	if len(d.settings.Webhooks) == 0 {
		return
	}
	r, err := query.OpenReader(ctx, d.settings.Database)
	if err != nil {
		return // checkDatabase says what is wrong
	}
	defer r.Close()
	hooks, err := r.Hooks(ctx)
	if err != nil {
		d.say(Fail, "", "%v", err)
		return
	}
	for _, w := range d.settings.Webhooks {
		at := slices.IndexFunc(hooks, func(h query.Hook) bool { return h.Name == w.Name })
		if at < 0 {
			d.say(Warn, "systemctl reload bouncetail, and see docs/webhooks.md for the drop-in that opens the network", "%s was not told of anything yet", w.Name)
			continue
		}
		h := &hooks[at]
		switch {
		case h.Trouble != nil:
			d.say(Warn, "see the log of "+w.Name+"; it is tried again", "%s is %s behind: %s", w.Name, text.Amount(int(h.Behind), "change"), *h.Trouble)
		case h.DeadLetters > 0:
			d.say(Warn, "bouncetail webhooks tells why; then: bouncetail webhooks replay "+w.Name, "%s did not take %s", w.Name, text.Amount(h.DeadLetters, "recipient"))
		case h.Behind > 0:
			d.say(OK, "", "%s has been told of all but %s", w.Name, text.Amount(int(h.Behind), "change"))
		default:
			d.say(OK, "", "%s has been told of all changes", w.Name)
		}
	}
}
