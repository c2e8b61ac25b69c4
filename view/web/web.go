// Package web shows in a browser what the commands show. Its database is open read-only.
// Decisions about addresses are made by a Writer, if there is one. Pages need no script; a
// policy forbids all of them.
//
// A page is a line in the table routes and a function that returns a page.Page. What a
// form changes is a line in the table actions.
package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	stored "github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/login"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// Site is what the pages show.
type Site struct {
	Open func(ctx context.Context) (*query.Reader, error)
	// Stored returns an address as it is stored, which may be a hash.
	Stored func(ctx context.Context, r *query.Reader, to bounce.Address) (bounce.Address, error)
	// Fleet opens what else the pages of a fleet need; nil if they are those of a host.
	Fleet    func(context.Context) (FleetReader, error)
	Server   string // of the fleet: a host with its port, or the directory of a socket
	Database string // its path
	Settings []Setting
	Version  string
	Zone     table.Zone // in which people read times
	Hosts    []string   // the names under which the site may be asked for
	Compat   []string   // see metrics.Source
	Log      *slog.Logger

	// Access. Without any of these, everyone who can connect may see the pages.
	Users      *login.Users  // have to log in
	Tokens     *login.Tokens // of programs
	UserHeader string        // the header in which a proxy names the user, on a unix socket
	Token      string        // opens a session of Owner, once
	Owner      string        // the user who started the process by hand

	// CSV starts a file of recipients; nil if none can be downloaded.
	CSV func(io.Writer) RecipientWriter

	// Writer makes the decisions of users; nil if the pages only read.
	Writer Writer

	asked    atomic.Int64 // when the last request came, in Unix nanoseconds
	slots    chan struct{}
	sessions login.Sessions
	tokenUse atomic.Bool
	cookie   string // its name
	address  string // of the socket
}

// FleetReader answers about one address of a fleet, and about its incidents.
type FleetReader interface {
	addressReader
	Incidents(ctx context.Context, f stored.Filter) ([]stored.Shown, error)
	Incident(ctx context.Context, host string, number int64) (*stored.Details, error)
	Close() error
}

// addressReader answers about one address.
type addressReader interface {
	report.HistoryReader
	Recipient(ctx context.Context, address string) (row bounce.Recipient, known bool, err error)
}

// Setting is a setting that holds. Secrets are not among them.
type Setting struct{ Key, Value string }

const (
	// queryTime bounds the time of a page, because a long read keeps the write-ahead
	// log from being reset.
	queryTime = 2 * time.Second
	// readTime bounds the time of what a page may leave out: it says so then.
	readTime = 100 * time.Millisecond
	// slotTime is how long a request waits for others.
	slotTime = 3 * time.Second
	// maxPages is how many pages are made at the same time.
	maxPages = 2
)

// request is a request for a page.
type request struct {
	*http.Request
	by   *visitor
	form func() string // returns the token for a form of the browser
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
	{"recipient", "", oneRecipient},
	{"incidents", "Incidents", incidents},
	{"incidents/{id}", "", oneIncident},
	{"reasons", "Reasons", reasons},
	{"senders", "Senders", senders},
	{"unclassified", "Unclassified", unclassified},
	{"decisions", "Decisions", decisions},
	{"decide", "", decide},
	{"mark", "", mark},
	{"report", "Report", weekly},
	{"health", "Health", health},
	{"settings", "Settings", settings},
}

const (
	// style is the path of the style sheet.
	style = "style.css"
	// noPage is the path of an answer that is no page of the navigation.
	noPage = "-"
)

// Handler returns the handler of the site.
func (s *Site) Handler() http.Handler {
	s.slots, s.cookie = make(chan struct{}, maxPages), s.cookieName()
	if s.Users != nil {
		s.sessions.Valid = func(user, mark string) bool { return mark != "" && s.Users.Mark(user) == mark }
	}
	s.asked.Store(time.Now().UnixNano())
	mux := http.NewServeMux()
	for _, route := range routes {
		mux.HandleFunc("GET /"+route.path+end(route.path), s.inTurn(func(w http.ResponseWriter, r *http.Request) {
			s.show(w, r, route.path, route.page)
		}))
	}
	mux.HandleFunc("GET /"+style, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(page.CSS)) // the browser may have gone
	})
	mux.HandleFunc("GET /", s.noSuchPage)
	mux.HandleFunc("GET /metrics", s.inTurn(s.serveMetrics))
	mux.HandleFunc("GET /recipients.csv", s.serveCSV)
	mux.HandleFunc("GET /login", s.showLogin)
	mux.HandleFunc("POST /login", s.post(s.logIn))
	mux.HandleFunc("POST /logout", s.post(s.logOut))
	mux.HandleFunc("POST /decide", s.post(s.writing(s.decide)))
	mux.HandleFunc("POST /mark", s.post(s.writing(s.mark)))
	return s.guard(s.caught(mux))
}

// noSuchPage answers if there is no page at a path.
func (s *Site) noSuchPage(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, noPage, http.StatusNotFound, "There is no page "+page.Shown(r.URL.Path, 200)+".")
}

// end makes the pattern of the root match only the root.
func end(path string) string {
	if path == "" {
		return "{$}"
	}
	return ""
}

// inTurn calls a handler when fewer than maxPages others are at work, with a time limit.
func (s *Site) inTurn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.turn(r.Context(), func(ctx context.Context) error {
			next(w, r.WithContext(ctx))
			return nil
		})
		if err != nil {
			s.fail(w, r, noPage, http.StatusServiceUnavailable, err.Error())
		}
	}
}

// turn calls do when fewer than maxPages others are at work, with a time limit.
func (s *Site) turn(ctx context.Context, do func(context.Context) error) error {
	wait, cancel := context.WithTimeout(ctx, slotTime)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-wait.Done():
		return errors.New("Other pages are being made. Try again in a few seconds.") //nolint:staticcheck // a sentence of a page
	}
	ctx, cancel = context.WithTimeout(ctx, queryTime)
	defer cancel()
	return do(ctx)
}

// show answers with a page.
func (s *Site) show(w http.ResponseWriter, r *http.Request, path string, makePage func(*request) (*page.Page, error)) {
	p, err := s.build(w, r, makePage)
	var missing notFound
	var bad badRequest
	var no forbidden
	switch {
	case errors.As(err, &missing):
		s.fail(w, r, path, http.StatusNotFound, err.Error())
	case errors.As(err, &bad):
		s.fail(w, r, path, http.StatusBadRequest, err.Error())
	case errors.As(err, &no):
		s.fail(w, r, path, http.StatusForbidden, err.Error())
	case r.Context().Err() != nil:
		s.fail(w, r, path, http.StatusServiceUnavailable, s.tooLong())
	case err != nil:
		s.Log.Error("cannot make a page", "page", path, "error", err)
		s.fail(w, r, path, http.StatusInternalServerError, err.Error())
	default:
		s.write(w, r, path, http.StatusOK, p)
	}
}

// tooLong is what a page says that was not made in time.
func (s *Site) tooLong() string {
	if s.Fleet != nil {
		return fmt.Sprintf(
			"The fleet's PostgreSQL at %s did not answer within %v. Ask for less, or try again. To see whether it can be reached, run: bouncetail fleet status",
			s.Server, queryTime,
		)
	}
	return fmt.Sprintf("The database took longer than %v. Ask for less, or try again.", queryTime)
}

// build opens the database and makes a page.
func (s *Site) build(w http.ResponseWriter, r *http.Request, makePage func(*request) (*page.Page, error)) (*page.Page, error) {
	reader, err := s.Open(r.Context())
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return makePage(&request{r, visitorOf(r), func() string { return s.formOf(w, r) }, s, reader, s.Zone, time.Now().In(s.Zone.Location)})
}

// The errors of requests. They are sentences for the reader of the page.
type (
	notFound   string
	badRequest string
	forbidden  string
)

func (e notFound) Error() string   { return string(e) }
func (e badRequest) Error() string { return string(e) }
func (e forbidden) Error() string  { return string(e) }

// name is what the pages are of.
func (s *Site) name() string {
	if s.Fleet != nil {
		return "bouncetail " + s.Version + " · all hosts of a fleet"
	}
	return "bouncetail " + s.Version
}

// fail answers with an error.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, path string, code int, sentence string, links ...page.Link) {
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	p := page.New(http.StatusText(code), "")
	section := page.NewSection("")
	section.Say("%s", sentence)
	section.Links = links
	p.Add(section)
	s.write(w, r, path, code, p)
}

// write answers with a page.
func (s *Site) write(w http.ResponseWriter, r *http.Request, path string, code int, p *page.Page) {
	frame := page.Frame{
		Root: rootOf(r), Style: style,
		Current: path, Server: s.name(), Time: time.Now().In(s.Zone.Location).Format("2006-01-02 15:04 MST"),
	}
	by := visitorOf(r)
	if by.stranger {
		frame.Server = ""
	}
	if frame.User = page.Shown(by.user, 40); by.session {
		frame.Logout = s.sessions.FormToken(by.id)
	}
	for _, route := range routes {
		if route.title != "" && !by.stranger {
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
