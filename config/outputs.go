package config

import (
	"fmt"
	"net/mail"
	"net/textproto"
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

// Publish says which maps of bad addresses are written, where, and when.
type Publish struct {
	// From is "local", or "fleet" for the bad addresses of all hosts, which bouncetail
	// fleet send writes.
	From string `mapstructure:"from"`
	// Directory is where the maps go; empty writes none.
	Directory string `mapstructure:"directory"`
	// Maps are those to write; see MapNames.
	Maps []string `mapstructure:"maps"`
	// Action is "reject", or "warn" to take the mail and log a warning.
	Action string `mapstructure:"action"`
	// Text is what is said of an address; {reason} and {since} are filled in.
	Text string `mapstructure:"text"`
	// Every is the time between two writings at least.
	Every time.Duration `mapstructure:"every"`
	// MinAge is how long an address has been bad before it is published.
	MinAge time.Duration `mapstructure:"min_age"`
}

// MapNames are what Publish.Maps may hold.
var MapNames = []string{"sqlite", "access", "transport", "exim"}

func (p *Publish) check(f *Fleet, bad report) {
	if p.Directory != "" && !filepath.IsAbs(p.Directory) {
		bad("publish.directory", "%q is not absolute; the mail server starts elsewhere", p.Directory)
	}
	switch {
	case p.From != "local" && p.From != "fleet":
		bad("publish.from", "%q is neither local nor fleet", p.From)
	case p.From == "fleet" && !f.Configured():
		bad("publish.from",
			"there is no fleet; write its address to fleet.dsn or fleet.dsn_file, or leave the maps to this host with: from: local",
		)
	}
	if len(p.Maps) == 0 {
		bad("publish.maps", "is empty; name some of %s", strings.Join(MapNames, ", "))
	}
	for _, name := range p.Maps {
		if !slices.Contains(MapNames, name) {
			bad("publish.maps", "%q is not one of %s", name, strings.Join(MapNames, ", "))
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

// Report is the regular report, which bouncetail report --send mails.
type Report struct {
	// Mail are the addresses that receive it.
	Mail []string `mapstructure:"mail"`
	// Sendmail is the program that takes the mail.
	Sendmail string `mapstructure:"sendmail"`
}

func (r *Report) check(bad report) {
	for i, address := range r.Mail {
		if _, err := mail.ParseAddress(address); err != nil {
			bad(fmt.Sprintf("report.mail[%d]", i), "%q is not an address", address)
		}
	}
	if !filepath.IsAbs(r.Sendmail) {
		bad("report.sendmail", "%q is not an absolute path; write that of the program, such as /usr/sbin/sendmail", r.Sendmail)
	}
}

// Web is the web interface.
type Web struct {
	// Hosts are the names under which it may be asked for.
	Hosts []string `mapstructure:"hosts"`
	// UsersFile has the users with their passwords; empty if there is no login.
	UsersFile string `mapstructure:"users_file"`
	// UserHeader is the header in which a proxy names the user. It is read on a unix
	// socket only.
	UserHeader string `mapstructure:"user_header"`
	// TokensFile has the tokens of programs.
	TokensFile string `mapstructure:"tokens_file"`
	// Write allows decisions about addresses.
	Write bool `mapstructure:"write"`
	// URL is where the pages are, for links in mails and notices.
	URL string `mapstructure:"url"`
}

// Page returns the URL of a page, or an empty text if the pages have no address.
func (w *Web) Page(path string) string {
	if w.URL == "" {
		return ""
	}
	return strings.TrimSuffix(w.URL, "/") + "/" + path
}

func (w *Web) check(bad report) {
	for _, f := range []struct{ key, path string }{{"web.users_file", w.UsersFile}, {"web.tokens_file", w.TokensFile}} {
		if f.path != "" && !filepath.IsAbs(f.path) {
			bad(f.key, "%q is not absolute; systemd starts the process elsewhere", f.path)
		}
	}
	switch name := strings.ToLower(w.UserHeader); {
	case name == "":
	case !headerName.MatchString(name):
		bad("web.user_header", "%q is not the name of a header, such as X-Remote-User", w.UserHeader)
	case slices.Contains(httpHeaders, textproto.CanonicalMIMEHeaderKey(name)):
		bad("web.user_header", "%s is a header of HTTP itself; name one that the proxy sets, such as X-Remote-User", w.UserHeader)
	}
	if w.URL != "" {
		if u, err := url.Parse(w.URL); err != nil || !isBase(u) {
			bad("web.url", "is not an address such as https://mail.example.com/bouncetail/")
		}
	}
	for i, host := range w.Hosts {
		if host == "" || strings.ContainsAny(host, "/* ") {
			bad(fmt.Sprintf("web.hosts[%d]", i), "%q is not the name of a host; write it without https:// and without a path", host)
		}
	}
}

// isBase reports whether an address is one that paths are appended to.
func isBase(u *url.URL) bool {
	isHTTP := u.Scheme == "https" || u.Scheme == "http"
	return isHTTP && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
