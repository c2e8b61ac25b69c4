package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// maxBody is the size of the largest form in bytes.
const maxBody = 64 << 10

var headers = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Cache-Control":                "no-store",
}

// guard sets the headers of every answer and refuses requests that no page is for.
func (s *Site) guard(next http.Handler) http.Handler {
	var sameSite http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Store(time.Now().UnixNano())
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		switch {
		case !s.allowed(r.Host):
			// Else a page of a stranger whose name leads to this machine could read ours.
			http.Error(w, fmt.Sprintf("The name %.80q is not in the setting web.hosts.", r.Host), http.StatusMisdirectedRequest)
		case !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, r.Method):
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, "Only GET, HEAD and POST.", http.StatusMethodNotAllowed)
		case !clean(r.URL.Path):
			http.NotFound(w, r)
		case sameSite.Check(r) != nil:
			http.Error(w, "Another site has sent this form.", http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			if by := s.admit(w, r); by != nil {
				next.ServeHTTP(w, withVisitor(r, by))
			}
		}
	})
}

// caught logs a mistake in the program as an error. The process continues.
func (s *Site) caught(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch mistake := recover(); mistake {
			case nil:
			case http.ErrAbortHandler:
				panic(mistake)
			default:
				s.Log.Error("a page failed", "path", r.URL.Path, "error", fmt.Sprint(mistake), "stack", string(debug.Stack()))
				http.Error(w, "This page failed. The log of bouncetail web says why; please report it.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// clean reports whether a path has no parts that http.ServeMux would redirect, which it
// does without the base path of a proxy.
func clean(p string) bool {
	return p == "/" || strings.HasPrefix(p, "/") && !strings.Contains(p, "//") && path.Clean(p) == strings.TrimSuffix(p, "/")
}

// allowed reports whether the site may be asked for under the name of a Host header.
func (s *Site) allowed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return slices.ContainsFunc(s.Hosts, func(name string) bool { return strings.ToLower(strings.Trim(name, "[]")) == host })
}

// post calls a handler for a form that was made for the browser.
func (s *Site) post(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var large *http.MaxBytesError
		switch err := r.ParseForm(); {
		case errors.As(err, &large):
			s.fail(w, r, noPage, http.StatusRequestEntityTooLarge, "The form is too large.")
		case err != nil:
			s.fail(w, r, noPage, http.StatusBadRequest, "The form cannot be read.")
		case !s.sessions.IsForm(visitorOf(r).id, r.PostForm.Get(formToken)):
			s.fail(w, r, noPage, http.StatusForbidden,
				"This form is too old, or was made for another browser. Go back, load the page again, and send it again.",
			)
		default:
			next(w, r)
		}
	}
}

// rootOf returns the way from the page of a request to the root of the site.
func rootOf(r *http.Request) string {
	return "./" + strings.Repeat("../", max(strings.Count(r.URL.Path, "/")-1, 0))
}
