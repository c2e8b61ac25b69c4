package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/config"
)

// machine makes files below a root. A content of "mail" is a line of a mail server,
// one of "barred" cannot be read.
func machine(t *testing.T, files map[string]string, journal bool) config.Machine {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(path string) (bool, error) {
		content, err := os.ReadFile(path)
		if string(content) == "barred" {
			return false, errors.New("permission denied")
		}
		return string(content) == "mail", err
	}
	return config.Machine{Root: root, HoldsMail: holds, HasJournal: journal}
}

func TestDefaultLogsAreFollowedIfTheyHoldMail(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		journal  bool
		want     []string
		skipped  []string
		noMail   bool
		byConfig []config.Source
	}{
		"one log":             {files: map[string]string{"/var/log/mail.log": "mail"}, want: []string{"/var/log/mail.log"}},
		"several":             {files: map[string]string{"/var/log/mail.log": "mail", "/var/log/exim4/mainlog": "mail"}, journal: true, want: []string{"/var/log/mail.log", "/var/log/exim4/mainlog"}},
		"cPanel":              {files: map[string]string{"/var/log/exim_mainlog": "mail", "/var/log/maillog": "dovecot"}, want: []string{"/var/log/exim_mainlog"}, skipped: []string{"/var/log/maillog"}},
		"DirectAdmin":         {files: map[string]string{"/var/log/exim/mainlog": "mail"}, want: []string{"/var/log/exim/mainlog"}},
		"empty and full":      {files: map[string]string{"/var/log/mail.log": "", "/var/log/exim/mainlog": "mail"}, want: []string{"/var/log/mail.log", "/var/log/exim/mainlog"}},
		"empty":               {files: map[string]string{"/var/log/mail.log": ""}, journal: true, want: []string{"/var/log/mail.log"}, noMail: true},
		"no mail in any":      {files: map[string]string{"/var/log/mail.log": "dovecot"}, journal: true, want: []string{"/var/log/mail.log"}, noMail: true},
		"not to be read":      {files: map[string]string{"/var/log/mail.log": "barred", "/var/log/maillog": "dovecot"}, want: []string{"/var/log/mail.log"}, skipped: []string{"/var/log/maillog"}},
		"journal only":        {journal: true, want: []string{config.Journal}, noMail: true},
		"nothing":             {noMail: true},
		"named in the config": {files: map[string]string{"/var/log/mail.log": "mail"}, byConfig: []config.Source{{Path: "/srv/mail.log", MTA: "exim"}, {Path: config.Journal, MTA: "auto"}}, want: []string{"/srv/mail.log", config.Journal}},
	} {
		t.Run(name, func(t *testing.T) {
			m := machine(t, c.files, c.journal)
			settings := config.Config{Sources: c.byConfig}
			got := settings.Resolve(m)
			at := func(paths []string) (all []string) {
				for _, p := range paths {
					if p != config.Journal {
						p = filepath.Join(m.Root, p)
					}
					all = append(all, p)
				}
				return all
			}
			var paths []string
			for _, s := range got.List {
				paths = append(paths, s.Path)
			}
			if !slices.Equal(paths, at(c.want)) || !slices.Equal(got.Skipped, at(c.skipped)) || got.NoMail != c.noMail || got.ByDefault != (c.byConfig == nil) {
				t.Errorf("Resolve: %q, skipped %q, no mail %v, by default %v; want %q, %q, %v", paths, got.Skipped, got.NoMail, got.ByDefault, at(c.want), at(c.skipped), c.noMail)
			}
		})
	}
}

// One log under two names is followed once.
func TestLinkedDefaultLogsAreOne(t *testing.T) {
	m := machine(t, map[string]string{"/var/log/mail.log": "mail"}, false)
	if err := os.Symlink("mail.log", filepath.Join(m.Root, "/var/log/maillog")); err != nil {
		t.Fatal(err)
	}
	var c config.Config
	if got := c.Resolve(m); len(got.List) != 1 {
		t.Errorf("Resolve: %+v, want one log", got.List)
	}
}

func TestUnknownTimeZonesOfTheProcessAreReported(t *testing.T) {
	for zone, bad := range map[string]bool{
		"": false, "UTC": false, "UTC0": false, "Europe/Berlin": false, ":Europe/Berlin": false,
		"Europe/Nowhere": true, "CET-1CEST,M3.5.0,M10.5.0/3": true, "../../etc/passwd": true, "/etc/passwd": true,
	} {
		t.Setenv("TZ", zone)
		if got := config.LocalZoneProblem(); (got != "") != bad {
			t.Errorf("TZ=%s: %q, want a problem: %t", zone, got, bad)
		}
	}
}

// A device such as /dev/zero has no end, and a pipe may have no writer.
func TestATimeZoneIsNoPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "zone")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TZ", pipe)
	answer := make(chan string, 1)
	go func() { answer <- config.LocalZoneProblem() }()
	select {
	case got := <-answer:
		if got == "" {
			t.Error("a pipe is taken for a time zone")
		}
	case <-time.After(10 * time.Second):
		t.Error("LocalZoneProblem waits for a pipe")
	}
}
