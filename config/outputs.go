package config

import (
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// report takes a problem with its key.
type report func(key, format string, args ...any)

// enhancedCode begins what is said to a sender (RFC 3463).
var enhancedCode = regexp.MustCompile(`^5\.\d{1,3}\.\d{1,3} \S`)

// placeholder is what Text may fill in, and what looks like it.
var placeholder = regexp.MustCompile(`\{[^}]*\}?`)

func (p *Publish) check(bad report) {
	if p.Directory != "" && !filepath.IsAbs(p.Directory) {
		bad("publish.directory", "%q is not absolute; the mail server starts elsewhere", p.Directory)
	}
	if len(p.Maps) == 0 {
		bad("publish.maps", "is empty; name some of %s", strings.Join(MapNames, ", "))
	}
	for _, name := range p.Maps {
		if !slices.Contains(MapNames, name) {
			bad("publish.maps", "%q is none of %s", name, strings.Join(MapNames, ", "))
		}
	}
	if p.Action != "reject" && p.Action != "warn" {
		bad("publish.action", "%q is neither reject nor warn", p.Action)
	}
	if !enhancedCode.MatchString(p.Text) {
		bad("publish.text", "%q does not begin with a code such as 5.1.1 and words", p.Text)
	}
	if len(p.Text) > 200 || strings.ContainsFunc(p.Text, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }) {
		bad("publish.text", "is over 200 characters, or has others than plain ASCII, which a reply by SMTP cannot hold")
	}
	for _, name := range placeholder.FindAllString(p.Text, -1) {
		if name != "{reason}" && name != "{since}" {
			bad("publish.text", "%q is neither {reason} nor {since}", name)
		}
	}
	if p.Every < time.Second {
		bad("publish.every", "%v is less than a second", p.Every)
	}
	if p.MinAge < 0 {
		bad("publish.min_age", "%v is less than nothing", p.MinAge)
	}
}

var hookName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// check fills in what the hook leaves out, and reports what is wrong.
func (w *Webhook) check(key string, bad report) {
	if !hookName.MatchString(w.Name) {
		bad(key+".name", "%q is no name; use letters, digits, - and _", w.Name)
	}
	// What is wrong with a URL is not shown with it: it may hold a password.
	at, err := url.Parse(w.URL)
	switch {
	case err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "":
		bad(key+".url", "is no http:// or https:// address")
	case at.User != nil:
		bad(key+".url", "holds a user name; write it as username and password")
	}
	if w.Kind == "" {
		w.Kind = "json"
	}
	if w.States == nil {
		w.States = map[string][]string{"json": {"bad", "ok"}, "listmonk": {"bad"}}[w.Kind]
	}
	switch {
	case w.Kind != "json" && w.Kind != "listmonk":
		bad(key+".kind", "%q is neither json nor listmonk", w.Kind)
	case w.Kind == "listmonk" && (w.Username == "" || w.Password == "" && w.PasswordFile == ""):
		bad(key+".username", "listmonk wants username, and password or password_file, of an API user")
	case w.Kind == "listmonk" && (slices.Contains(w.States, "ok") || slices.Contains(w.States, "suspect")):
		bad(key+".states", "listmonk takes bounces only: bad, failing")
	}
	if w.Secret != "" && w.SecretFile != "" {
		bad(key+".secret_file", "there is a secret, too; give one of them")
	}
	if w.Password != "" && w.PasswordFile != "" {
		bad(key+".password_file", "there is a password, too; give one of them")
	}
	for _, s := range w.States {
		if s == "retry" {
			bad(key+".states", "the state \"retry\" is now called \"failing\"")
		} else if !slices.Contains([]string{"bad", "suspect", "failing", "ok"}, s) {
			bad(key+".states", "%q is not one of bad, suspect, failing, ok", s)
		}
	}
	if w.Start == "" {
		w.Start = "now"
	}
	if w.Start != "now" && w.Start != "beginning" {
		bad(key+".start", "%q is neither now nor beginning", w.Start)
	}
	if w.Batch == 0 {
		w.Batch = 100
	}
	if w.Batch < 1 || w.Batch > 10_000 {
		bad(key+".batch", "%d is not from 1 to 10000", w.Batch)
	}
	if w.Timeout == 0 {
		w.Timeout = 10 * time.Second
	}
	if w.Timeout < 100*time.Millisecond {
		bad(key+".timeout", "%v is less than 100ms", w.Timeout)
	}
	if w.Tries == 0 {
		w.Tries = 30
	}
	if w.Tries < 1 {
		bad(key+".tries", "%d is less than 1", w.Tries)
	}
}
