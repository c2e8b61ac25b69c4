// Package web shows in a browser what the commands show. It only reads: its database is
// open read-only, and it answers GET alone. Pages need no script; a policy forbids all
// of them.
//
// A page is a line in the table routes and a function that returns a page.Page.
package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/table"
)

// Site is what the pages show.
type Site struct {
	Open func(ctx context.Context) (*query.Reader, error)
	// Stored returns an address as it is stored, which may be a hash.
	Stored   func(ctx context.Context, r *query.Reader, to bounce.Address) (bounce.Address, error)
	Database string // its path
	Settings []Setting
	Version  string
	Zone     table.Zone // in which people read times
	Hosts    []string   // the names under which the site may be asked for
	Token    string     // opens a session; empty lets everyone in
	Log      *slog.Logger

	asked    atomic.Int64 // when the last request came, in Unix nanoseconds
	slots    chan struct{}
	session  string
	tokenUse atomic.Bool
}

// Setting is a setting that holds. Secrets are not among them.
type Setting struct{ Key, Value string }

const (
	// queryTime bounds the time of a page, because a long read keeps the write-ahead
	// log from being reset.
	queryTime = 2 * time.Second
	// slotTime is how long a request waits for others.
	slotTime = 3 * time.Second
	// maxPages is how many pages are made at the same time.
	maxPages = 2
)

// request is a request for a page.
type request struct {
	*http.Request
	site *Site
	r    *query.Reader
	zone table.Zone
	now  time.Time
}

// get returns a parameter.
func (q *request) get(name string) string { return q.URL.Query().Get(name) }

// routes are the pages. The first of each name is in the navigation, if it has a title.
var routes = []struct {
	path, title string
	page        func(*request) (*page.Page, error)
}{
	{"", "Overview", overview},
	{"providers", "Providers", providers},
	{"providers/{name}", "", provider},
	{"recipients", "Recipients", recipients},
	{"recipient", "", recipient},
	{"incidents", "Incidents", incidents},
	{"incidents/{id}", "", oneIncident},
	{"reasons", "Reasons", reasons},
	{"senders", "Senders", senders},
	{"unclassified", "Unclassified", unclassified},
	{"report", "Report", weekly},
	{"health", "Health", health},
	{"settings", "Settings", settings},
}

// style is the path of the style sheet.
const style = "style.css"

// Handler returns the handler of the site.
func (s *Site) Handler() http.Handler {
	s.slots, s.session = make(chan struct{}, maxPages), newToken()
	s.asked.Store(time.Now().UnixNano())
	mux := http.NewServeMux()
	for _, route := range routes {
		mux.HandleFunc("GET /"+route.path+end(route.path), s.inTurn(func(w http.ResponseWriter, r *http.Request) { s.show(w, r, route.path, route.page) }))
	}
	mux.HandleFunc("GET /"+style, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(page.CSS)) // the browser may have gone
	})
	mux.HandleFunc("GET /metrics", s.inTurn(s.serveMetrics))
	return s.guard(mux)
}

// end makes the pattern of the root match only the root.
func end(path string) string {
	if path == "" {
		return "{$}"
	}
	return ""
}

// guard sets the headers of every answer and refuses requests that no page is for.
func (s *Site) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Store(time.Now().UnixNano())
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		switch {
		case !s.allowed(r.Host):
			// Else a page of a stranger whose name leads to this machine could read ours.
			http.Error(w, "This name is not in web.hosts.", http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Only GET and HEAD.", http.StatusMethodNotAllowed)
		case s.Token != "" && !s.admit(w, r):
		default:
			next.ServeHTTP(w, r)
		}
	})
}

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

// allowed reports whether the site may be asked for under the name of a Host header.
func (s *Site) allowed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return slices.ContainsFunc(s.Hosts, func(name string) bool { return strings.ToLower(strings.Trim(name, "[]")) == host })
}

// inTurn calls a handler when fewer than maxPages others are at work, with a time limit.
func (s *Site) inTurn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wait, cancel := context.WithTimeout(r.Context(), slotTime)
		defer cancel()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-wait.Done():
			s.fail(w, r, "", http.StatusServiceUnavailable, "Other pages are being made. Try again in a few seconds.")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), queryTime)
		defer cancel()
		next(w, r.WithContext(ctx))
	}
}

// show answers with a page.
func (s *Site) show(w http.ResponseWriter, r *http.Request, path string, makePage func(*request) (*page.Page, error)) {
	p, err := s.build(r, makePage)
	var missing notFound
	var bad badRequest
	switch {
	case errors.As(err, &missing):
		s.fail(w, r, path, http.StatusNotFound, err.Error())
	case errors.As(err, &bad):
		s.fail(w, r, path, http.StatusBadRequest, err.Error())
	case r.Context().Err() != nil:
		s.fail(w, r, path, http.StatusServiceUnavailable, fmt.Sprintf("The database took longer than %v. Ask for less, or try again.", queryTime))
	case err != nil:
		s.Log.Error("cannot make a page", "page", path, "error", err)
		s.fail(w, r, path, http.StatusInternalServerError, err.Error())
	default:
		s.write(w, r, path, http.StatusOK, p)
	}
}

// build opens the database and makes a page.
func (s *Site) build(r *http.Request, makePage func(*request) (*page.Page, error)) (*page.Page, error) {
	reader, err := s.Open(r.Context())
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return makePage(&request{r, s, reader, s.Zone, time.Now().In(s.Zone.Location)})
}

// The errors of requests. They are sentences for the reader of the page.
type (
	notFound   string
	badRequest string
)

func (e notFound) Error() string   { return string(e) }
func (e badRequest) Error() string { return string(e) }

// fail answers with an error.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, path string, code int, sentence string) {
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	p := page.New(http.StatusText(code), "")
	section := page.NewSection("")
	section.Say("%s", sentence)
	p.Add(section)
	s.write(w, r, path, code, p)
}

// write answers with a page.
func (s *Site) write(w http.ResponseWriter, r *http.Request, path string, code int, p *page.Page) {
	frame := page.Frame{
		Root: "./" + strings.Repeat("../", strings.Count(r.URL.Path, "/")-1), Style: style,
		Current: path, Server: "bouncetail " + s.Version, Time: time.Now().In(s.Zone.Location).Format("2006-01-02 15:04 MST"),
	}
	for _, route := range routes {
		if route.title != "" {
			frame.Links = append(frame.Links, page.Link{Text: route.title, Href: route.path})
		}
	}
	var body bytes.Buffer // so that an error does not leave half a page
	if err := p.PrintWeb(&body, &frame); err != nil {
		s.Log.Error("cannot print a page", "page", path, "error", err)
		http.Error(w, "The page cannot be printed.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(body.Bytes()) // the browser may have gone
}
