package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// account is the user whose eyes the doctor looks through.
type account struct {
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
	only   bool // the process is that user already
}

// stranger reports whether what the account may do tells nothing of the daemon.
func (as *account) stranger() bool { return as.only && as.name != daemonUser && os.Getuid() != 0 }

// daemonUser is the user that the unit names.
const daemonUser = "bouncetail"

// checkUser finds the daemon's user, with the groups that the unit gives it.
func (d *examiner) checkUser(context.Context) {
	a := &account{name: daemonUser}
	found := d.eachEntry("/etc/passwd", func(f []string) bool {
		return len(f) > 3 && f[0] == daemonUser && number(f[2], &a.uid) && number(f[3], &a.gid)
	})
	a.groups = []uint32{a.gid}
	var has []string
	d.eachEntry("/etc/group", func(f []string) bool {
		var gid uint32
		if len(f) > 3 && number(f[2], &gid) && (f[0] == "adm" || f[0] == "systemd-journal" || slices.Contains(strings.Split(f[3], ","), daemonUser)) {
			a.groups = append(a.groups, gid)
			has = append(has, f[0])
		}
		return false
	})
	if os.Getuid() != 0 {
		who := "this user"
		if u, err := user.Current(); err == nil {
			who = u.Username
		}
		d.as = &account{name: who, only: true}
		do := ""
		if who != daemonUser {
			do = "sudo bouncetail doctor checks what the daemon may read"
		}
		d.say(OK, do, "looking as %s, who is not root", who)
		return
	}
	if !found {
		d.as = &account{name: "root", only: true}
		d.say(Warn, "systemd-sysusers, which the package and make install have prepared", "there is no user %s, whom the unit wants; looking as root", daemonUser)
		return
	}
	d.as = a
	d.say(OK, "", "%s is there; with the unit's groups it is in %s", daemonUser, strings.Join(has, ", "))
}

func number(s string, n *uint32) bool {
	_, err := fmt.Sscanf(s, "%d", n)
	return err == nil
}

// eachEntry calls each for the lines of a file of fields with colons, until it
// returns true.
func (d *examiner) eachEntry(path string, each func(fields []string) bool) bool {
	text, err := os.ReadFile(d.at(path))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if each(strings.Split(strings.TrimSpace(line), ":")) {
			return true
		}
	}
	return false
}

// do calls look as the account. The kernel is asked, because modes alone do not
// reflect what access lists and the folders above allow. It starts a goroutine,
// whose thread ends with it, and waits for it.
func (as *account) do(look func() error) error {
	if as.only {
		return look()
	}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread is thrown away with its identity.
		runtime.LockOSThread()
		done <- func() error {
			if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(as.groups)), uintptr(unsafe.Pointer(&as.groups[0])), 0); e != 0 {
				return fmt.Errorf("take on the groups of %s: %w", as.name, e)
			}
			// These return what was, not an error; the last takes away root's rights to files.
			if err := errors.Join(unix.Setfsgid(int(as.gid)), unix.Setfsuid(int(as.uid))); err != nil {
				return fmt.Errorf("take on the identity of %s: %w", as.name, err)
			}
			return look()
		}()
	}()
	return <-done
}

// may asks whether the thread may do something with a file.
func may(path string, mode uint32) error {
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
}
