package web

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/view/login"
	"github.com/bouncetail/bouncetail/view/page"
)

// formToken is the name of the field with the token of a form.
const formToken = "form"

// NewToken returns a token for Site.Token.
func NewToken() string { return login.NewID() }

// askLogin answers the request of a browser without a session.
func (s *Site) askLogin(w http.ResponseWriter, r *http.Request) {
	at := strings.TrimPrefix(r.URL.Path, "/")
	if r.URL.RawQuery != "" {
		at += "?" + r.URL.RawQuery
	}
	switch {
	case r.Method == http.MethodPost:
		s.fail(w, r, noPage, http.StatusForbidden,
			"You are not logged in, or no longer. Nothing was changed. Log in, and send the form again.",
			page.Link{Text: "Log in", Href: "login"},
		)
	case r.URL.Path == "/metrics":
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "A token of the scope metrics is needed: bouncetail web token NAME.", http.StatusUnauthorized)
	case r.Header.Get("Sec-Fetch-Site") == "same-origin":
		redirect(w, rootOf(r)+"login?next="+url.QueryEscape(at))
	default:
		// A link of another site, such as a webmail, for which the browser has left the
		// cookie out; or a program.
		forward(w, http.StatusForbidden, "Log in", rootOf(r)+"login?next="+url.QueryEscape(at))
	}
}

// admitOnce answers a request without a session if a link opens it that works once:
// other users of the machine can reach a port of it.
func (s *Site) admitOnce(w http.ResponseWriter, r *http.Request) {
	once := r.URL.Query().Get("once")
	isToken := subtle.ConstantTimeCompare([]byte(once), []byte(s.Token)) == 1
	if isToken && s.tokenUse.CompareAndSwap(false, true) {
		s.setCookie(w, r, s.sessions.Start(s.Owner, "", time.Now()))
		forward(w, http.StatusOK, "Show the pages", "./")
		return
	}
	http.Error(w,
		"Open the link that bouncetail web has printed. It works once; start the command again for another.",
		http.StatusForbidden,
	)
}

// forward answers with a page that leads to another one. After a redirect, the browser
// would leave the cookie out if another site led here.
func forward(w http.ResponseWriter, code int, says, to string) {
	to = html.EscapeString(to)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>bouncetail</title>\n"+
		"<meta http-equiv=\"refresh\" content=\"0; url=%s\"></head>\n<body><p><a href=\"%s\">%s</a></p></body></html>\n", to, to, says)
}

// redirect leads to another page. http.Redirect would make the path absolute, without the
// base path of a proxy.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// nextPage returns where a login leads: a page of this site, as seen from its root.
func nextPage(given string) string {
	u, err := url.Parse(given)
	switch {
	case err != nil, len(given) > 4000, u.Scheme != "", u.Host != "", u.User != nil, u.Opaque != "":
	case strings.HasPrefix(u.Path, "/"), strings.HasPrefix(u.Path, "log"), strings.ContainsAny(given, "\\\t\r\n"), !clean("/" + u.Path):
	default:
		u.Fragment = ""
		if at := u.String(); !strings.HasPrefix(at, "./") {
			return "./" + at
		}
	}
	return "./"
}

// showLogin asks for a name and a password, unless there is a session.
func (s *Site) showLogin(w http.ResponseWriter, r *http.Request) {
	next := r.URL.Query().Get("next")
	if visitorOf(r).session {
		redirect(w, nextPage(next))
		return
	}
	s.loginPage(w, r, http.StatusOK, "", next)
}

func (s *Site) loginPage(w http.ResponseWriter, r *http.Request, code int, sentence, next string) {
	if s.Users == nil {
		s.fail(w, r, noPage, http.StatusNotFound, "There is no login: the setting web.users_file is empty.")
		return
	}
	p := page.New("Log in", "")
	section := page.NewSection("")
	if sentence != "" {
		section.Say("%s", sentence)
	}
	section.Form = &page.Form{Action: "login", Token: s.formOf(w, r), Button: "Log in", Fields: []page.Field{
		{Label: "Name", Name: "name", Complete: "username"},
		{Label: "Password", Name: "password", Type: "password", Complete: "current-password"},
		{Name: "next", Type: "hidden", Value: next},
	}}
	p.Add(section)
	s.write(w, r, noPage, code, p)
}

// logIn starts a session. The browser gets a new identifier, so that nobody knows it from
// before.
func (s *Site) logIn(w http.ResponseWriter, r *http.Request) {
	name, next := r.PostForm.Get("name"), r.PostForm.Get("next")
	if s.Users == nil {
		s.loginPage(w, r, http.StatusNotFound, "", "")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	err := s.Users.Check(ctx, name, r.PostForm.Get("password"))
	mark := s.Users.Mark(name)
	known := name
	if mark == "" {
		known = "(unknown)" // people type passwords in the wrong field
	}
	switch wait, tooMany := errors.AsType[login.TooMany](err); {
	case tooMany:
		s.Log.Warn("too many logins", "user", known, "from", from(r))
		w.Header().Set("Retry-After", fmt.Sprint(int(math.Ceil(time.Duration(wait).Seconds()))))
		s.loginPage(w, r, http.StatusTooManyRequests, wait.Error(), next)
	case errors.Is(err, login.ErrWrong):
		s.Log.Warn("login refused", "user", known, "from", from(r))
		s.loginPage(w, r, http.StatusForbidden, "The name or the password is wrong.", next)
	case errors.Is(err, context.DeadlineExceeded):
		s.fail(w, r, noPage, http.StatusServiceUnavailable, "Too many logins at the same time. Try again in a few seconds.")
	case err != nil:
		s.Log.Error("cannot read the users", "error", err)
		s.fail(w, r, noPage, http.StatusInternalServerError, "The users cannot be read. The log of this process says why.")
	default:
		s.Log.Info("login", "user", name, "from", from(r))
		s.sessions.End(visitorOf(r).id)
		s.setCookie(w, r, s.sessions.Start(name, mark, time.Now()))
		redirect(w, nextPage(next))
	}
}

// logOut ends the session.
func (s *Site) logOut(w http.ResponseWriter, r *http.Request) {
	s.sessions.End(visitorOf(r).id)
	s.setCookie(w, r, "")
	redirect(w, "./login")
}

// from returns where a request comes from, for the log. The header of a proxy counts on a
// unix socket only: on a port anybody could name a stranger, whom fail2ban would block.
func from(r *http.Request) string {
	if by := r.Header.Get("X-Forwarded-For"); by != "" && len(by) < 200 && onUnix(r) {
		return by
	}
	return r.RemoteAddr
}
