package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/login"
)

// visitor is the sender of a request.
type visitor struct {
	user     string // empty if no name is needed
	id       string // of the browser: the value of its cookie, which may be that of no session
	session  bool   // there is a login that can be ended
	stranger bool   // has yet to log in
}

type (
	visitorKey struct{}
	connKey    struct{}
)

// visitorOf returns the sender of a request that was admitted.
func visitorOf(r *http.Request) *visitor {
	if by, ok := r.Context().Value(visitorKey{}).(*visitor); ok {
		return by
	}
	return &visitor{}
}

// withVisitor returns a request with its sender in the context.
func withVisitor(r *http.Request, by *visitor) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), visitorKey{}, by))
}

// onUnix reports whether a request came by a unix socket. Only programs that may open the
// socket, such as a proxy, can send one.
func onUnix(r *http.Request) bool {
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	return ok && c.LocalAddr().Network() == "unix"
}

// admit returns the sender of a request. It answers the request and returns nil if the
// sender may not see the page.
func (s *Site) admit(w http.ResponseWriter, r *http.Request) *visitor {
	if token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); is && s.Tokens != nil {
		return s.admitProgram(w, r, token)
	}
	by := &visitor{id: s.cookieOf(r)}
	fromProxy := s.UserHeader != "" && onUnix(r)
	if given := r.Header.Values(s.UserHeader); fromProxy && len(given) == 1 && given[0] != "" {
		by.user = text.Cut(text.Printable(given[0]), 64)
		return by
	}
	if user, ok := s.sessions.User(by.id, time.Now()); ok {
		by.user, by.session = user, s.Users != nil
		return by
	}
	switch {
	case s.Users != nil:
		if by.stranger = true; r.URL.Path == "/"+style || r.URL.Path == "/login" {
			return by
		}
		s.askLogin(w, withVisitor(r, by))
	case fromProxy:
		http.Error(w, "The proxy has to name the user in the header of the setting web.user_header, once.", http.StatusForbidden)
	case s.Token != "":
		s.admitOnce(w, r)
	default:
		return by
	}
	return nil
}

// admitProgram is admit for a program with a token.
func (s *Site) admitProgram(w http.ResponseWriter, r *http.Request, given string) *visitor {
	token, err := s.Tokens.Check(given)
	switch wait, tooMany := errors.AsType[login.TooMany](err); {
	case tooMany:
		w.Header().Set("Retry-After", "1")
		http.Error(w, wait.Error(), http.StatusTooManyRequests)
	case errors.Is(err, login.ErrWrong):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "This token is not known.", http.StatusUnauthorized)
	case err != nil:
		s.Log.Error("cannot read the tokens", "error", err)
		http.Error(w, "The tokens cannot be read.", http.StatusInternalServerError)
	case r.Method == http.MethodPost:
		http.Error(w, "A token cannot write.", http.StatusForbidden)
	case token.Scope != login.ScopeRead && r.URL.Path != "/metrics":
		http.Error(w, "The scope of this token is "+token.Scope+".", http.StatusForbidden)
	default:
		return &visitor{}
	}
	return nil
}

// cookieName returns the name of the cookie, which differs between the sites of a
// machine: browsers do not tell its ports apart, nor the paths of a proxy.
func (s *Site) cookieName() string {
	host, _ := os.Hostname() // without it the names may be equal
	sum := sha256.Sum256([]byte(host + "\n" + s.Database + "\n" + s.address))
	return "bouncetail-" + hex.EncodeToString(sum[:4])
}

// isTLS reports whether the browser uses TLS, as the proxy says. A client that lies about
// it harms only its own cookie.
func isTLS(r *http.Request) bool { return r.Header.Get("X-Forwarded-Proto") == "https" }

// cookieFor returns the name of the cookie for a request.
func (s *Site) cookieFor(r *http.Request) string {
	if isTLS(r) {
		return "__Host-" + s.cookie // browsers take it only from this host and with Secure
	}
	return s.cookie
}

// cookieOf returns the identifier of the browser, or "".
func (s *Site) cookieOf(r *http.Request) string {
	c, err := r.Cookie(s.cookieFor(r))
	if err != nil || len(c.Value) > 64 {
		return ""
	}
	return c.Value
}

// setCookie gives the browser an identifier until it ends. Without a path, the cookie is
// for the directory of the request as the browser sees it, which may be that of a proxy:
// only pages in the root of the site set it.
func (s *Site) setCookie(w http.ResponseWriter, r *http.Request, id string) {
	c := &http.Cookie{Name: s.cookieFor(r), Value: id, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if isTLS(r) {
		c.Secure, c.Path = true, "/"
	}
	if id == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// formOf returns the token for a form of the browser, which gets an identifier if it has
// none.
func (s *Site) formOf(w http.ResponseWriter, r *http.Request) string {
	by := visitorOf(r)
	if by.id == "" {
		by.id = login.NewID()
		s.setCookie(w, r, by.id)
	}
	return s.sessions.FormToken(by.id)
}
