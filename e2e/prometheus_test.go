package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// freeAddress returns an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freePort(t))
}

// background runs a program until the test ends.
func background(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("SKIPPED: no %s here; run: apt-get install prometheus prometheus-node-exporter prometheus-alertmanager", program)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		out.Close()
		if t.Failed() {
			text, _ := os.ReadFile(out.Name())
			t.Logf("%s:\n%s", program, text[max(0, len(text)-3000):])
		}
	})
}

func get(t *testing.T, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// expressions returns all expressions of the board.
func expressions(t *testing.T) []string {
	t.Helper()
	var board struct {
		Annotations struct {
			List []struct{ Expr string }
		}
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile("../docs/examples/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		all = append(all, strings.TrimSuffix(a.Expr, " > 0")) // of no incident in this minute
	}
	return all
}

// TestEveryExpressionOfTheBoardHasData scrapes the file of bouncetail metrics through
// Debian's node_exporter with Debian's Prometheus.
func TestEveryExpressionOfTheBoardHasData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	exporter, prometheus := freeAddress(t), freeAddress(t)
	write(t, at("prometheus.yml"), fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: node, static_configs: [{targets: ['%s']}]}]\n", exporter))
	if err := os.Mkdir(at("textfile"), 0o755); err != nil {
		t.Fatal(err)
	}
	background(t, "prometheus-node-exporter", "--web.listen-address="+exporter, "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+at("textfile"))
	background(t, "prometheus", "--config.file="+at("prometheus.yml"), "--storage.tsdb.path="+at("data"), "--web.listen-address="+prometheus)

	write(t, at("mail.log"), "")
	write(t, at("config.yaml"), fmt.Sprintf("database: %[1]s/b.db\nsources: [{path: %[1]s/mail.log}]\n", dir))
	start(t, "--config", at("config.yaml"))
	eventually(t, at("b.db"), countBounces, "0")
	log, err := os.OpenFile(at("mail.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	line := func(n int, reply string) {
		status := "sent (250 2.0.0 OK)"
		if reply != "" {
			status = "bounced (host gmail-smtp-in.l.google.com[192.0.2.2] said: " + reply + " (in reply to end of DATA command))"
		}
		fmt.Fprintf(log, "%s mx postfix/smtp[1]: 4A1B2C%03d: to=<u%d@gmail.com>, relay=gmail-smtp-in.l.google.com[192.0.2.2]:25, delay=1, delays=0/0/0/1, dsn=5.7.26, status=%s\n",
			time.Now().UTC().Format(time.RFC3339), n%1000, n, strings.ReplaceAll(status, "dsn=5.7.26, status=sent", "dsn=2.0.0, status=sent"))
	}
	// Values change between scrapes, so that rates have some.
	n := 0
	deadline := time.Now().Add(patience)
	missing := expressions(t)
	for time.Now().Before(deadline) && len(missing) > 0 {
		for range 5 {
			n++
			line(n, "")
			line(n+500, "550-5.7.26 Unauthenticated email from shop.example is not accepted due to the domain DMARC policy")
		}
		time.Sleep(700 * time.Millisecond)
		run(t, "metrics", "--config", at("config.yaml"), "-o", at("textfile/bouncetail.prom"))
		var left []string
		for _, e := range missing {
			query := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(e)
			body, err := get(t, "http://"+prometheus+"/api/v1/query?query="+url.QueryEscape(query))
			if err != nil || strings.Contains(body, `"result":[]`) || strings.Contains(body, `"NaN"`) {
				left = append(left, e)
			}
		}
		missing = left
	}
	for _, e := range missing {
		t.Errorf("no data of %s", e)
	}
	if info, err := os.Stat(at("textfile/bouncetail.prom")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file is %v, %v; want mode 0644", info, err)
	}
}
