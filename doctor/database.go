package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

// little is the free space at which the doctor warns.
const little = 512 << 20

func (d *examiner) checkDatabase(ctx context.Context) {
	path := d.settings.Database
	shown := d.shown(path)
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		d.say(Fail, fmt.Sprintf("install -d -m 0751 -o %s -g %s %s", daemonUser, daemonUser, d.shown(folder)), "its folder %s does not exist", d.shown(folder))
		return
	}
	if !d.as.stranger() && d.as.do(func() error { return may(folder, unix.W_OK|unix.X_OK) }) != nil {
		d.say(Fail, fmt.Sprintf("chown %s:%s %s", daemonUser, daemonUser, d.shown(folder)), "%s may not write to its folder %s", d.as.name, d.shown(folder))
	}
	free := ""
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err == nil {
		left := megabytes(int64(fs.Bavail) * fs.Bsize)
		free = fmt.Sprintf("; %v are free", left)
		if left < little {
			d.say(Warn, "make room; a full disk holds records up until there is some, and loses none", "%v are free in %s", left, d.shown(folder))
		}
	}
	var h *privacy.Hasher
	if err := d.as.do(func() (err error) { h, err = daemon.OpenHasher(d.settings.Privacy); return err }); err != nil && d.as.stranger() {
		d.say(Fail, "sudo bouncetail doctor", "cannot be looked at: %v", err)
		return
	} else if err != nil {
		d.say(Fail, "", "%v", err)
		return
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		d.say(OK, "systemctl enable --now bouncetail makes it", "%s is not there yet%s", shown, free)
		return
	}
	if d.cannotRead(path) {
		d.cannotLook(shown)
		return
	}
	r, err := query.OpenReader(ctx, path)
	if err != nil {
		d.say(Fail, "", "%v", err)
		return
	}
	defer r.Close()
	if err := r.CheckKey(ctx, shown, h.ID()); err != nil {
		d.say(Fail, "", "%v", dbfile.Located(shown, err))
		return
	}
	size := info.Size()
	if wal, err := os.Stat(path + "-wal"); err == nil {
		size += wal.Size()
	}
	var barred []string
	for _, end := range []string{"", "-wal", "-shm", ".lock"} {
		if err := d.as.do(func() error {
			f, err := os.OpenFile(path+end, os.O_RDWR, 0)
			if err == nil {
				err = f.Close()
			}
			return err
		}); errors.Is(err, os.ErrPermission) {
			barred = append(barred, d.shown(path+end))
		}
	}
	if len(barred) > 0 && !d.as.stranger() {
		d.say(Fail, fmt.Sprintf("chown %s:%s %s", daemonUser, daemonUser, strings.Join(barred, " ")), "%s may not write %s", d.as.name, strings.Join(barred, ", "))
		return
	}
	d.say(OK, "", "%s holds %v, is readable by %s%s", shown, megabytes(size), map[bool]string{true: "everybody", false: "its owner and group alone"}[info.Mode()&0o004 != 0], free)
}

// checkDaemon asks the lock that the writer of a database holds.
func (d *examiner) checkDaemon(ctx context.Context) {
	if d.cannotRead(d.settings.Database + ".lock") {
		d.cannotLook(d.shown(d.settings.Database + ".lock"))
		return
	}
	if _, err := os.Stat(d.settings.Database + ".lock"); err != nil {
		d.say(Warn, "systemctl enable --now bouncetail", "it has not run on this database")
		return
	}
	if found := daemon.Find(ctx, d.settings.Database); found.PID != "" {
		d.say(OK, "", "process %s writes the database", found.PID)
		for _, trouble := range found.Troubles {
			d.say(Warn, "journalctl -u bouncetail shows since when; it is retried", "it %s", trouble)
		}
		return
	}
	d.say(Warn, "systemctl enable --now bouncetail, then: systemctl status bouncetail", "nothing writes the database at present")
}

// cannotRead reports whether a file is there and this user may not read it.
func (d *examiner) cannotRead(path string) bool {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return false
	}
	return errors.Is(may(path, unix.R_OK), os.ErrPermission)
}

func (d *examiner) checkFound(ctx context.Context) {
	if d.cannotRead(d.settings.Database) {
		d.cannotLook(d.shown(d.settings.Database))
		return
	}
	r, err := query.OpenReader(ctx, d.settings.Database)
	if err != nil {
		d.say(Warn, "", "nothing yet: there is no database that can be read, see above")
		return
	}
	defer r.Close()
	f, err := report.Summarize(ctx, r)
	if err != nil {
		d.say(Fail, "", "%v", dbfile.Located(d.shown(d.settings.Database), err))
		return
	}
	d.say(OK, "bouncetail recipients --state bad", "%s", f.Sentence())
	if len(f.Problems) > 0 {
		d.say(Warn, "bouncetail reasons REASON says what to do about each; bouncetail incidents and bouncetail top reasons show more", "%s", f.ProblemSentence())
	}
	unread, err := r.Unparsed(ctx)
	if err == nil && len(unread) > 0 {
		d.say(Warn, "send such a line to the project, without what is private in it", "%s of delivery lines %s not parsed, such as %s", text.Amount(len(unread), "shape"), text.Verb(len(unread), "is", "are"), text.Cut(unread[0].Name, 120))
	}
	gaps, _ := r.Gaps(ctx) // an unread database has been reported above
	if err == nil && len(unread)+len(gaps) == 0 {
		d.say(OK, "", "no part of a log was lost, and every delivery line was parsed")
	}
	for _, g := range gaps {
		d.say(Warn, "see rotation; SELECT * FROM gaps in the database says when", "%s log was destroyed before it could be read: %s", text.Amount(g.N, "time"), g.Name)
	}
}
