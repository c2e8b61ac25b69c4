package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/output/webhook"
)

// languages lists the languages in examples/, and how to start a receiver in each.
var languages = []struct {
	program          string
	receive, changes string
	remembers        bool // skips repeated changes
	command          func(program, path string, port int) []string
}{
	{"python3", "python/receive.py", "python/changes.py", true, func(program, path string, _ int) []string { return []string{program, path} }},
	{"node", "node/receive.mjs", "node/changes.mjs", true, func(program, path string, _ int) []string { return []string{program, path} }},
	{"php", "php/receive.php", "php/changes.php", false, func(program, path string, port int) []string {
		return []string{program, "-S", fmt.Sprintf("127.0.0.1:%d", port), path}
	}},
}

// languageProgram returns the path of an interpreter, or skips the test.
func languageProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: no %s here, so its programs in examples/ are not tested", name)
	}
	return path
}

func TestExamplesVerifySignatures(t *testing.T) {
	t.Parallel()
	for _, l := range languages {
		t.Run(l.program, func(t *testing.T) {
			program := languageProgram(t, l.program)
			port, secret := freePort(t), filepath.Join(t.TempDir(), "secret")
			write(t, secret, "hünter2\n")
			args := l.command(program, filepath.Join("../examples", l.receive), port)
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "SECRET_FILE="+secret, "PORT="+strconv.Itoa(port))
			var said output
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			url := fmt.Sprintf("http://127.0.0.1:%d/", port)
			waitFor(t, "the example to listen", func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(url, "/"), "http://"))
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
			body := func(seq int) string {
				return fmt.Sprintf(`{"webhook":"crm","recipients":[{"recipient":"jörg@example.com","state":"bad","seq":%d}]}`, seq)
			}
			now := time.Now()
			for _, c := range []struct {
				name, header, body string
				want               int
			}{
				{"genuine", webhook.Sign("hünter2", now, []byte(body(1))), body(1), http.StatusNoContent},
				{"again", webhook.Sign("hünter2", now, []byte(body(1))), body(1), http.StatusNoContent},
				{"later", webhook.Sign("hünter2", now, []byte(body(2))), body(2), http.StatusNoContent},
				{"test", webhook.Sign("hünter2", now, []byte(`{"webhook":"crm","test":true,"recipients":[]}`)), `{"webhook":"crm","test":true,"recipients":[]}`, http.StatusNoContent},
				{"other body", webhook.Sign("hünter2", now, []byte(body(1))), body(3), http.StatusForbidden},
				{"other secret", webhook.Sign("hunter2", now, []byte(body(3))), body(3), http.StatusForbidden},
				{"old", webhook.Sign("hünter2", now.Add(-time.Hour), []byte(body(3))), body(3), http.StatusForbidden},
				{"unsigned", "", body(3), http.StatusForbidden},
				{"no signature", "t=1,v1=é", body(3), http.StatusForbidden},
				{"nonsense", "a,b==,t=x", body(3), http.StatusForbidden},
			} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set(webhook.SignatureHeader, c.header)
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatalf("%s: %v\n%s", c.name, err, &said)
				}
				answer.Body.Close()
				if answer.StatusCode != c.want {
					t.Errorf("%s: the answer is %d, want %d\n%s", c.name, answer.StatusCode, c.want, &said)
				}
			}
			want := 3
			if l.remembers {
				want = 2
			}
			waitFor(t, "the example to print what it got", func() bool { return strings.Count(said.String(), "bad jörg@example.com") >= want })
			if n := strings.Count(said.String(), "bad jörg@example.com"); n != want {
				t.Errorf("%d changes handled, want %d\n%s", n, want, &said)
			}
		})
	}
}

func TestExamplesReadChangesByCursor(t *testing.T) {
	t.Parallel()
	for _, l := range languages {
		t.Run(l.program, func(t *testing.T) {
			path := languageProgram(t, l.program)
			s := newSite(t)
			example, err := filepath.Abs(filepath.Join("../examples", l.changes))
			if err != nil {
				t.Fatal(err)
			}
			changes := func() string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), path, example, "crm", filepath.Join(s.dir, "crm.ndjson"))
				cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program(t))+":"+os.Getenv("PATH"), "BOUNCETAIL_DATABASE="+s.database())
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%s: %v\n%s", l.changes, err, out)
				}
				return string(out)
			}
			if got := changes(); strings.Count(got, "bad 4a00000") != 5 || strings.Count(got, "\n") != 5 {
				t.Errorf("the first run prints\n%s\nwant five bad addresses", got)
			}
			if got := changes(); got != "" {
				t.Errorf("the second run prints\n%s", got)
			}
			// Changes of an interrupted run come first.
			write(t, filepath.Join(s.dir, "crm.ndjson"), `{"state":"ok","recipient":"left@example.com","reason":"no-such-user"}`+"\n")
			if got := changes(); got != "ok left@example.com no-such-user\n" {
				t.Errorf("the run after an interrupted one prints\n%s", got)
			}
		})
	}
}
