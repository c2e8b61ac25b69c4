package web_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/web"
)

// writer is a web.Writer that writes a database itself and remembers what it was asked.
type writer struct {
	db        string
	decisions []web.Decision
	marks     []web.Mark
	err       error
}

func (w *writer) Decide(ctx context.Context, d web.Decision) (c recipient.Changes, err error) {
	w.decisions = append(w.decisions, d)
	if w.err != nil {
		return c, w.err
	}
	e, err := sqlite.OpenEditor(ctx, w.db)
	if err != nil {
		return c, err
	}
	defer e.Close()
	if d.Decision == "unset" {
		return e.Withdraw(ctx, []bounce.Address{d.Address})
	}
	return e.Decide(ctx, d.Decision, []bounce.Address{d.Address}, d.Note, d.Until)
}

func (w *writer) Mark(ctx context.Context, m web.Mark) (report.Marked, error) {
	w.marks = append(w.marks, m)
	e, err := sqlite.OpenEditor(ctx, w.db)
	if err != nil {
		return report.Marked{}, err
	}
	defer e.Close()
	var done sqlite.Released
	switch {
	case m.Kind == "release" && m.Undo > 0:
		done, err = e.WithdrawRelease(ctx, m.Undo)
	case m.Kind == "release":
		done, err = e.Release(ctx, m.Of, m.DryRun)
	case m.Undo > 0:
		done, err = e.WithdrawConfirm(ctx, m.Undo)
	default:
		done, err = e.Confirm(ctx, m.Of, m.DryRun)
	}
	return report.Marked{ID: done.ID, Failures: done.Failures, Recipients: done.Recipients, Changes: report.Changes(done.Changes), DryRun: m.DryRun, Undone: m.Undo > 0}, err
}

// writable returns a browser of somebody who may decide.
func writable(t *testing.T) (*browser, *writer) {
	t.Helper()
	w := &writer{db: database(t)}
	s := withUsers(t, site(w.db), "ada")
	s.Writer = w
	b := browse(t, http.StripPrefix("/mail", s.Handler()), "/mail/")
	if a := b.logIn("ada", password, ""); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("the login: %d", a.StatusCode)
	}
	return b, w
}

// fields returns the hidden fields of the first form of a page that is sent by POST.
func fields(t *testing.T, body string) url.Values {
	t.Helper()
	_, form, ok := strings.Cut(body, `<form method="post"`)
	if !ok {
		t.Fatalf("no form: %s", body)
	}
	form, _, _ = strings.Cut(form, "</form>")
	all := url.Values{}
	for part := range strings.SplitSeq(form, "<input ") {
		name, rest, ok := strings.Cut(part, `name="`)
		if !ok || !strings.Contains(name, "hidden") {
			continue
		}
		name, rest, _ = strings.Cut(rest, `"`)
		_, rest, _ = strings.Cut(rest, `value="`)
		value, _, _ := strings.Cut(rest, `"`)
		all.Set(name, strings.NewReplacer("&#43;", "+", "&amp;", "&", "&#39;", "'").Replace(value))
	}
	return all
}

func TestUsersDecideAboutAddresses(t *testing.T) {
	b, w := writable(t)
	if shown := b.get("recipient?address=jane%40gmail.com").body; !strings.Contains(shown, `href="./decide?address=jane%40gmail.com&amp;decision=allow"`) || strings.Contains(shown, "decision=unset") {
		t.Errorf("the page of an address has no choices: %s", shown)
	}
	if shown := b.get("decide").body; !strings.Contains(shown, `<form method="get" action="./decide">`) {
		t.Errorf("no address is asked for: %s", shown)
	}
	asked := b.get("decide?decision=allow&address=Jane%40GMAIL.com")
	for _, want := range []string{"Allow jane@gmail.com?", "It is bad now: no-such-user.", `name="note"`, `name="until"`} {
		if !strings.Contains(asked.body, want) {
			t.Errorf("the question lacks %q: %s", want, asked.body)
		}
	}
	if len(w.decisions) > 0 {
		t.Fatal("the question has decided")
	}
	form := fields(t, asked.body)
	form.Set("note", "she\r\nis  back")
	form.Set("until", "30d")
	a := b.send(http.MethodPost, "decide", form)
	if a.StatusCode != 200 || !strings.Contains(a.body, "jane@gmail.com is allowed. 1 is no longer bad.") {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if d := w.decisions[0]; d.By != "ada" || d.Note != "she is back (ada, on the pages)" || time.Until(d.Until) < 29*24*time.Hour {
		t.Errorf("the decision is %+v", d)
	}
	shown := b.get("decisions").body
	for _, want := range []string{"she is back (ada, on the pages)", "decide?address=jane%40gmail.com&amp;decision=unset", "Decide about an address"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the list of decisions lacks %q: %s", want, shown)
		}
	}
	if shown := b.get("recipient?address=jane%40gmail.com").body; !strings.Contains(shown, "decision=unset") {
		t.Error("the decision cannot be taken back")
	}
	a = b.send(http.MethodPost, "decide", fields(t, b.get("decide?decision=unset&address=jane%40gmail.com").body))
	if a.StatusCode != 200 || !strings.Contains(a.body, "is taken back. 1 becomes bad.") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	a = b.send(http.MethodPost, "decide", fields(t, b.get("decide?decision=block&address=new%40example.net").body))
	if a.StatusCode != 200 || !strings.Contains(b.get("recipients?domain=example.net").body, "new@example.net") {
		t.Errorf("an address that never failed is not blocked: %d", a.StatusCode)
	}
}

func TestDecisionsThatCannotBeMadeSayWhy(t *testing.T) {
	b, w := writable(t)
	form := fields(t, b.get("decide?decision=block&address=x%40example.net").body)
	with := func(pairs ...string) url.Values {
		changed := url.Values{}
		maps.Copy(changed, form)
		for i := 0; i < len(pairs); i += 2 {
			changed.Set(pairs[i], pairs[i+1])
		}
		return changed
	}
	for name, c := range map[string]struct {
		at   string
		form url.Values
		code int
		says string
	}{
		"no address":        {"decide", with("address", ""), 400, "Name an address"},
		"two addresses":     {"decide", with("address", "a@example.com, b@example.com"), 400, "Name an address"},
		"another decision":  {"decide", with("decision", "forget"), 400, "allow, block, unset"},
		"a past end":        {"decide", with("until", "2020-01-01"), 400, "Until: "},
		"no token":          {"decide", with("form", ""), 403, "made for another browser"},
		"no beginning":      {"mark", with("kind", "release"), 400, "Since: say when the outage began"},
		"a reversed outage": {"mark", with("kind", "release", "since", "1h", "until", "2h"), 400, "Since: the outage ends before it begins"},
		"a future outage":   {"mark", with("kind", "confirm", "since", "1h", "until", "2099-01-01"), 400, "is in the future"},
		"a wrong reason":    {"mark", with("kind", "confirm", "since", "1h", "reason", "<b>"), 400, "there is no reason"},
		"another kind":      {"mark", with("kind", "forget", "since", "1h"), 400, "release, and confirm"},
		"a wrong number":    {"mark", with("kind", "release", "undo", "-1"), 400, "number"},
		"none of that":      {"mark", with("kind", "release", "undo", "7"), 503, "There is no release 7 in force"},
	} {
		a := b.send(http.MethodPost, c.at, c.form)
		if a.StatusCode != c.code || !strings.Contains(strings.ToLower(a.body), strings.ToLower(c.says)) {
			t.Errorf("%s: %d, want %d with %q: %s", name, a.StatusCode, c.code, c.says, a.body)
		}
	}
	for at, want := range map[string]int{"decide?address=a%20b&decision=block": 400, "mark": 404, "mark?kind=release&undo=x": 400} {
		if a := b.get(at); a.StatusCode != want {
			t.Errorf("%s: %d, want %d", at, a.StatusCode, want)
		}
	}
	if len(w.decisions) > 0 {
		t.Errorf("decided: %+v", w.decisions)
	}
	w.err = &control.Error{Text: "there is no decision on x@example.net"}
	if a := b.send(http.MethodPost, "decide", form); a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "There is no decision on x@example.net. Nothing was changed.") {
		t.Errorf("the daemon refuses: %d %s", a.StatusCode, a.body)
	}
	w.err = &control.Error{Text: "web.write is false"}
	if a := b.send(http.MethodPost, "decide", form); !strings.Contains(a.body, ">web.write is false. Nothing was changed.") {
		t.Errorf("the name of a setting is changed: %s", a.body)
	}
	w.err = errors.New("no daemon runs that could write it")
	if a := b.send(http.MethodPost, "decide", form); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "No daemon runs that could write it. Nothing was changed.") {
		t.Errorf("no daemon: %d %s", a.StatusCode, a.body)
	}
}

func TestUsersReleaseAndConfirmAfterTheyHaveSeenTheNumbers(t *testing.T) {
	b, w := writable(t)
	form := fields(t, b.get("mark?kind=release&since=3h&domain=gmail.com").body)
	for _, name := range []string{"since", "until", "domain", "category", "reason"} {
		form.Set(name, map[string]string{"since": "3h", "domain": "gmail.com"}[name])
	}
	counted := b.send(http.MethodPost, "mark", form)
	if counted.StatusCode != 200 || !strings.Contains(counted.body, "1 failure of 1 address would no longer count: 1 is no longer bad. Nothing was changed.") || !w.marks[0].DryRun {
		t.Fatalf("%d %s", counted.StatusCode, counted.body)
	}
	form = fields(t, counted.body)
	form.Set("note", "their mistake")
	done := b.send(http.MethodPost, "mark", form)
	if done.StatusCode != 200 || !strings.Contains(done.body, "Release 1, 1 failure of 1 address no longer counted: 1 is no longer bad.") {
		t.Fatalf("%d %s", done.StatusCode, done.body)
	}
	if m := w.marks[1]; m.Of.Since != w.marks[0].Of.Since || m.Of.Until != w.marks[0].Of.Until || m.Of.Note != "their mistake (ada, on the pages)" || m.By != "ada" {
		t.Errorf("counted %+v, released %+v", w.marks[0], m)
	}
	if shown := b.get("decisions").body; !strings.Contains(shown, "their mistake (ada, on the pages)") || !strings.Contains(shown, "mark?kind=release&amp;undo=1") {
		t.Errorf("the release is not listed: %s", shown)
	}
	back := b.send(http.MethodPost, "mark", fields(t, b.get("mark?kind=release&undo=1").body))
	if back.StatusCode != 200 || !strings.Contains(back.body, "1 failure of 1 address counted again: 1 becomes bad.") {
		t.Errorf("%d %s", back.StatusCode, back.body)
	}
	none := url.Values{"form": form["form"], "kind": {"confirm"}, "since": {"3h"}, "domain": {"nowhere.example"}}
	if a := b.send(http.MethodPost, "mark", none); a.StatusCode != 200 || !strings.Contains(a.body, "0 failures of 0 addresses would be confirmed") || strings.Contains(a.body, `value="yes"`) {
		t.Errorf("nothing to confirm: %d %s", a.StatusCode, a.body)
	}
}

// Writing needs a Writer, which the settings of root decide, and a name.
func TestPagesThatOnlyReadDecideNothing(t *testing.T) {
	db := database(t)
	h := site(db).Handler()
	b := browse(t, h, "/")
	for _, at := range []string{"decide?decision=block&address=a%40example.com", "mark?kind=release"} {
		if a := b.get(at); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "web.write is false") || strings.Contains(a.body, `method="post"`) {
			t.Errorf("%s of a site that reads: %d %s", at, a.StatusCode, a.body)
		}
	}
	if shown := b.get("recipient?address=jane%40gmail.com").body; strings.Contains(shown, "decide?") {
		t.Error("the page of an address links a decision")
	}
	s := site(db)
	w := &writer{db: db}
	s.Writer = w
	b = browse(t, s.Handler(), "/") // by a port that every user of the machine can reach
	if a := b.get("decide?decision=block&address=a%40example.com"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "set web.users_file or web.user_header") {
		t.Errorf("a user without a name: %d %s", a.StatusCode, a.body)
	}
	s = withUsers(t, site(db), "ada")
	b = browse(t, s.Handler(), "/")
	b.logIn("ada", password, "")
	form := url.Values{"form": {b.token("")}, "decision": {"block"}, "address": {"a@example.com"}}
	if a := b.send(http.MethodPost, "decide", form); a.StatusCode != http.StatusForbidden {
		t.Errorf("a decision on a site that reads: %d", a.StatusCode)
	}
	b.send(http.MethodPost, "logout", url.Values{"form": form["form"]})
	if a := b.send(http.MethodPost, "decide", form); a.StatusCode != http.StatusForbidden || len(w.decisions) > 0 {
		t.Errorf("a decision after the logout: %d", a.StatusCode)
	}
}

func TestLinkThatWorksOnceOpensASessionOfTheOwner(t *testing.T) {
	db := database(t)
	s := site(db)
	w := &writer{db: db}
	s.Writer, s.Token, s.Owner = w, web.NewToken(), "root"
	b := browse(t, s.Handler(), "/")
	b.get("?once=" + s.Token)
	a := b.send(http.MethodPost, "decide", fields(t, b.get("decide?decision=block&address=new%40example.net").body))
	if a.StatusCode != 200 || len(w.decisions) != 1 || w.decisions[0].Note != "(root, on the pages)" {
		t.Errorf("%d %+v", a.StatusCode, w.decisions)
	}
}

func TestHostileTextsAreOnlyTextWhereOneMayDecide(t *testing.T) {
	b, w := writable(t)
	r, err := query.OpenReader(t.Context(), w.db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, _, err := r.Browse(t.Context(), query.Browse{Limit: 60})
	if err != nil {
		t.Fatal(err)
	}
	for i := range all { // hostile addresses with hostile notes
		if _, err := w.Decide(t.Context(), web.Decision{Decision: "block", Address: address.Parse(all[i].Recipient), Note: hostile[i]}); err != nil {
			t.Fatal(err)
		}
	}
	for _, note := range hostile[:60] {
		if _, err := w.Mark(t.Context(), web.Mark{Kind: "release", Of: recipient.Release{Since: "2020-01-01T00:00:00.000Z", Until: "2099-01-01T00:00:00.000Z", Domain: "gmail.com", Note: note}}); err != nil {
			t.Fatal(err)
		}
	}
	at, err := url.Parse(b.base)
	if err != nil {
		t.Fatal(err)
	}
	session := b.client.Jar.Cookies(at)[0]
	pages := crawl(t, b.handler, "/mail/", 1500, func(r *http.Request) { r.AddCookie(session) })
	asks := 0
	for at := range pages {
		if strings.HasPrefix(at, "/mail/decide?") {
			asks++
		}
	}
	if asks < 60 || pages["/mail/mark?kind=release&undo=60"] == "" {
		t.Errorf("%d pages ask for a decision", asks)
	}
	for _, note := range hostile[:60] {
		if want := strings.TrimSpace(text.Printable(strings.ToValidUTF8(note, ""))); !strings.Contains(pages["/mail/decisions"], text.Cut(want, 100)) && len(want) < 150 {
			t.Errorf("the page of decisions does not show %.80q", want)
		}
	}
}

func TestUsersOfAProxyDecide(t *testing.T) {
	w := &writer{db: database(t)}
	s := site(w.db)
	s.Writer, s.UserHeader = w, "X-Remote-User"
	path := filepath.Join(t.TempDir(), "s")
	l, err := web.Listen("unix:"+path, false)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, l)
	b := browse(t, http.NotFoundHandler(), "/")
	b.base = "http://localhost/"
	b.header.Set("X-Remote-User", "grace")
	b.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	form := fields(t, b.get("decide?decision=block&address=new%40example.net").body)
	if a := b.send(http.MethodPost, "decide", form); a.StatusCode != 200 || len(w.decisions) != 1 || w.decisions[0].By != "grace" {
		t.Errorf("%d %+v", a.StatusCode, w.decisions)
	}
	b.client.Jar = nil // another browser
	if a := b.send(http.MethodPost, "decide", form); a.StatusCode != http.StatusForbidden || len(w.decisions) != 1 {
		t.Errorf("a form of another browser: %d %+v", a.StatusCode, w.decisions)
	}
	b.client.CloseIdleConnections()
}
