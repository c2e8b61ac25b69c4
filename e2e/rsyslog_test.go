package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDaemonWithRsyslogAndLogrotate follows a log that a real rsyslogd writes and a real
// logrotate rotates, while the daemon is killed repeatedly.
func TestDaemonWithRsyslogAndLogrotate(t *testing.T) {
	const rsyslogd, logrotate = "/usr/sbin/rsyslogd", "/usr/sbin/logrotate"
	for _, program := range []string{rsyslogd, logrotate} {
		if !exists(program) {
			t.Skipf("SKIPPED, rsyslog and logrotate are not tested: %s is missing; scripts/test-setup installs it as root", program)
		}
	}
	for _, how := range []struct{ name, options string }{
		{"create and delaycompress", "create 0640\ncompress\ndelaycompress"},
		{"compressed at once, with dates", "create 0640\ncompress\ndateext\ndateformat -%Y%m%d-%s"},
	} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log, socket, pid := filepath.Join(dir, "mail.log"), filepath.Join(dir, "socket"), filepath.Join(dir, "pid")
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			settings := write("rsyslog.conf", fmt.Sprintf("module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"%s\" RateLimit.Interval=\"0\")\ntemplate(name=\"t\" type=\"string\" string=\"%%TIMESTAMP:::date-rfc3339%% %%HOSTNAME%% %%syslogtag%%%%msg:::sp-if-no-1st-sp%%%%msg:::drop-last-lf%%\\n\")\nmail.* action(type=\"omfile\" file=\"%s\" template=\"t\")\n", socket, log))
			server := exec.CommandContext(t.Context(), rsyslogd, "-n", "-f", settings, "-i", pid)
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				server.Process.Kill() //nolint:errcheck // it may have ended
				server.Wait()         //nolint:errcheck // likewise
			}()
			waitFor(t, "rsyslogd to listen", func() bool { return exists(socket) && exists(pid) })
			conn, err := net.Dial("unixgram", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			n := 0
			bounces := func(count int) {
				for range count {
					n++
					id := fmt.Sprintf("4R%06X", n)
					if _, err := fmt.Fprintf(conn, "<22>%s postfix/smtp[13]: %s: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))", time.Now().Format(time.Stamp), id, id); err != nil {
						t.Fatal(err)
					}
				}
			}
			turn := write("logrotate.conf", fmt.Sprintf("%s {\nrotate 50\nmissingok\n%s\npostrotate\nkill -HUP $(cat %s)\nendscript\n}\n", log, how.options, pid))
			db := filepath.Join(dir, "b.db")
			d := start(t, "--db", db, log)
			for i := range 6 {
				bounces(60)
				if i%3 == 2 {
					d.kill()
					bounces(30)
					// Without a daemon, what comes after the compression is lost.
					waitFor(t, "rsyslogd to write", func() bool { return strings.Contains(words(log), fmt.Sprintf("4R%06X", n)) })
				} else {
					// A daemon that has not opened the log yet is as good as none.
					waitFor(t, "the daemon to open the log", func() bool { return slices.Contains(openFiles(d.cmd.Process.Pid), log) })
				}
				out, err := exec.CommandContext(t.Context(), logrotate, "--force", "--state", filepath.Join(dir, "state"), turn).CombinedOutput()
				if err != nil {
					t.Fatalf("logrotate: %v\n%s", err, out)
				}
				if i%3 == 2 {
					// Lines written to the old file after its compression are only in the
					// deleted file. A daemon that holds it open reads them; none runs here.
					waitFor(t, "rsyslogd to let go of the old log", func() bool { return !hasOpen(server.Process.Pid, log+"-", log+".1", "(deleted)") })
				}
				bounces(20)
				if i%3 == 2 {
					d = start(t, "--db", db, log)
				}
				time.Sleep(1100 * time.Millisecond) // names with a date have a resolution of a second
			}
			eventually(t, db, countBounces, strconv.Itoa(n))
			d.stop()
		})
	}
}

// hasOpen reports whether a process has a file open whose name contains one of the
// parts.
func hasOpen(pid int, parts ...string) bool {
	return slices.ContainsFunc(openFiles(pid), func(name string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) })
	})
}

// openFiles returns the names of the files that a process has open.
func openFiles(pid int) (names []string) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		name, _ := os.Readlink(file) // it may be closed by now
		names = append(names, name)
	}
	return names
}
