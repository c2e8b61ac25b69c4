package config

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// WebhookKinds are the shapes of requests.
var WebhookKinds = []string{"json", "listmonk", "sendgrid", "mailgun", "postmark"}

var (
	hookName   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// httpHeaders are set by HTTP itself or by bouncetail.
var httpHeaders = []string{
	"Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Host",
	"Keep-Alive", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
}

// check fills in what the hook leaves out, and reports what is wrong.
func (w *Webhook) check(key string, bad report) {
	if !hookName.MatchString(w.Name) {
		bad(key+".name", "%q is no name; use letters, digits, - and _", w.Name)
	}
	// A wrong URL is not shown: it may hold a password.
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
	if !slices.Contains(WebhookKinds, w.Kind) {
		bad(key+".kind", "%q is not one of %s", w.Kind, strings.Join(WebhookKinds, ", "))
	}
	w.checkStates(key, bad)
	w.checkCredentials(key, bad)
	w.checkLimits(key, bad)
}

func (w *Webhook) checkStates(key string, bad report) {
	if w.States == nil {
		w.States = []string{"bad"}
		if w.Kind == "json" {
			w.States = []string{"bad", "ok"}
		}
	}
	for _, s := range w.States {
		switch {
		case s == "retry":
			bad(key+".states", "the state \"retry\" is now called \"failing\"")
		case !slices.Contains([]string{"bad", "suspect", "failing", "ok"}, s):
			bad(key+".states", "%q is not one of bad, suspect, failing, ok", s)
		case w.Kind != "json" && (s == "ok" || s == "suspect"):
			bad(key+".states", "%s takes bounces only: bad, failing", w.Kind)
		}
	}
	if w.Start == "" {
		w.Start = "now"
	}
	if w.Start != "now" && w.Start != "beginning" {
		bad(key+".start", "%q is neither now nor beginning", w.Start)
	}
}

func (w *Webhook) checkCredentials(key string, bad report) {
	either := func(name string, value Secret, file string) {
		if value != "" && file != "" {
			bad(key+"."+name+"_file", "there is a %s, too; give one of them", name)
		}
	}
	either("secret", w.Secret, w.SecretFile)
	either("password", w.Password, w.PasswordFile)
	either("token", w.Token, w.TokenFile)
	token := w.Token != "" || w.TokenFile != ""
	switch {
	case w.Username != "" && token:
		bad(key+".token", "there is a username, too; a request has one Authorization")
	case w.Kind == "listmonk" && !token && (w.Username == "" || w.Password == "" && w.PasswordFile == ""):
		bad(key+".username", "listmonk wants username, and password or password_file, of an API user")
	case w.Kind == "mailgun" && w.Secret == "" && w.SecretFile == "" && w.KeyFile == "":
		bad(key+".secret_file", "mailgun wants secret, secret_file or key_file: the signing key that the receiver knows")
	case w.Kind == "mailgun" && w.KeyFile != "" && (w.Secret != "" || w.SecretFile != ""):
		bad(key+".key_file", "there is a secret, too; give one of them")
	}
	if w.KeyFile != "" && w.Kind != "sendgrid" && w.Kind != "mailgun" {
		bad(key+".key_file", "is for the kinds sendgrid and mailgun; %s is signed with secret or secret_file", w.Kind)
	}
	switch name := http.CanonicalHeaderKey(w.TokenHeader); {
	case name == "":
	case !token:
		bad(key+".token_header", "there is no token, and no token_file")
	case !headerName.MatchString(name):
		bad(key+".token_header", "%q is no name of a header", w.TokenHeader)
	case slices.Contains(httpHeaders, name) || strings.HasPrefix(name, "X-Bouncetail-"):
		bad(key+".token_header", "HTTP or bouncetail itself uses %s; leave token_header empty for Authorization: Bearer", name)
	}
}

func (w *Webhook) checkLimits(key string, bad report) {
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
