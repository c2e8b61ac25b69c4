package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/proto"

	"github.com/bouncetail/bouncetail/internal/volume"
)

// axe is the checker of accessibility that scripts/test-setup fetches.
const axe = "../.cache/axe/axe-core-4.14.1/axe.min.js"

// A look is how a reader sees a page.
type look struct {
	name   string
	width  int
	height int
	scheme string
}

var looks = []look{
	{"desktop, light", 1280, 900, "light"},
	{"desktop, dark", 1280, 900, "dark"},
	{"phone, light", 360, 740, "light"},
	{"phone, dark", 360, 740, "dark"},
}

// tab is a page of the browser, with what it complained about.
type tab struct {
	*rod.Page
	t      *testing.T
	origin string // the only one that may be asked

	mu         sync.Mutex
	complaints []string
}

// browse starts Debian's Chromium. It never downloads another.
func browse(t *testing.T) *rod.Browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED: no chromium here to show the pages; run scripts/test-setup")
	}
	l := launcher.New().Bin(chromium).Leakless(false).UserDataDir(t.TempDir()).
		NoSandbox(os.Getuid() == 0). // Chromium refuses to start as root with it
		Set("disable-background-networking").Set("disable-component-update")
	address, err := l.Launch()
	if err != nil {
		t.Fatal(err)
	}
	b := rod.New().ControlURL(address)
	if err := b.Connect(); err != nil {
		l.Kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			l.Kill()
		}
		l.Cleanup()
	})
	return b
}

// open opens an empty tab that writes down what the browser complains about, and every
// request to another origin.
func open(t *testing.T, b *rod.Browser, origin string) *tab {
	t.Helper()
	p, err := b.Page(proto.TargetCreateTarget{URL: "about:blank"})
	if err != nil {
		t.Fatal(err)
	}
	w := &tab{Page: p.Timeout(20 * time.Minute), t: t, origin: origin}
	complain := func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
	}
	for _, enable := range []interface{ Call(proto.Client) error }{proto.LogEnable{}, proto.RuntimeEnable{}, proto.NetworkEnable{}} {
		w.must(enable.Call(p))
	}
	go p.EachEvent( // until the browser is closed
		func(e *proto.LogEntryAdded) { complain("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL) },
		func(e *proto.RuntimeConsoleAPICalled) { complain("console: %v", e.Args) },
		func(e *proto.RuntimeExceptionThrown) { complain("exception: %s", e.ExceptionDetails.Text) },
		func(e *proto.NetworkRequestWillBeSent) {
			u, err := url.Parse(e.Request.URL)
			if err != nil || u.Scheme != "data" && u.Scheme+"://"+u.Host != origin {
				complain("request to %s", e.Request.URL)
			}
		},
	)()
	return w
}

// each opens all pages one after the other. Those of an origin are in one tab, because a
// new one starts a process; a page with complaints that are expected has its own.
func (s *pageSet) each(t *testing.T, b *rod.Browser, look func(w *tab, at string)) {
	t.Helper()
	tabs := make(map[string]*tab)
	for _, at := range s.all() {
		if mayFail(at) {
			w := open(t, b, originOf(at))
			look(w, at)
			w.must(w.Close())
			continue
		}
		w := tabs[originOf(at)]
		if w == nil {
			w = open(t, b, originOf(at))
			tabs[originOf(at)] = w
		}
		look(w, at)
	}
	for _, w := range tabs {
		w.must(w.Close())
	}
}

func (w *tab) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// visit loads a page.
func (w *tab) visit(at string) {
	w.t.Helper()
	w.must(w.Navigate(at))
	// Not WaitLoad, which waits for an event in the page: without scripts it never comes.
	for ready := ""; ready != "complete"; time.Sleep(10 * time.Millisecond) {
		w.eval(&ready, "() => document.readyState")
	}
	info, err := w.Info()
	w.must(err)
	if info.URL != at {
		w.t.Fatalf("%s leads to %s", at, info.URL)
	}
}

// complained returns the complaints since the last call.
func (w *tab) complained() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.complaints
	w.complaints = nil
	return list
}

// see changes how the page is seen.
func (w *tab) see(l look) {
	w.t.Helper()
	w.must(proto.EmulationSetDeviceMetricsOverride{Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.width < 600}.Call(w))
	w.must(proto.EmulationSetEmulatedMedia{Features: []*proto.EmulationMediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}}.Call(w))
}

// eval runs a script in the page, and reads its result.
func (w *tab) eval(into any, script string, args ...any) {
	w.t.Helper()
	result, err := w.Eval(script, args...)
	w.must(err)
	if into != nil {
		w.must(json.Unmarshal([]byte(result.Value.JSON("", "")), into))
	}
}

// A pageSet is what the browser looks at: the pages of a site and the report as a file.
type pageSet struct {
	site  string
	pages []string // relative to the site
	file  string   // the URL of the report
}

// shopSite starts the site of a shop whose log has replies of an attacker in it. Its users
// have to log in, and may decide.
func shopSite(t *testing.T, attacks []string) *pageSet {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	db, log, config := at("b.db"), at("mail.log"), at("config.yaml")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(log, shopLog(time.Now(), attacks))
	write(config, fmt.Sprintf("sources: [{path: %s}]\ndatabase: %s\nweb: {users_file: %s, write: true}\n", log, db, at("users")))
	addUser(t, config)
	run(t, "import", "--db", db, log)
	if unparsed := query(t, db, "SELECT example FROM unparsed_lines"); len(unparsed) > 0 {
		t.Fatalf("not parsed: %q", unparsed)
	}
	run(t, "report", "--db", db, "--until", "now", "--since", "30d", "-o", at("report.html"))
	s := &pageSet{site: startWebWith(t, nil, "--config", config), file: "file://" + at("report.html"), pages: []string{
		"", "providers", "providers/microsoft", "recipients?state=bad", "recipients?match=nobody-is-called-so", "recipient?address=hostile0@example.com",
		"incidents", "reasons", "senders", "unclassified", "decisions", "decide", "report", "report?since=soon", "health", "settings",
	}}
	for _, q := range []string{
		"SELECT 'recipient?address=' || recipient FROM recipients WHERE state = 'bad' ORDER BY last_failure_at DESC LIMIT 1",
		"SELECT 'decide?decision=block&address=' || recipient FROM recipients WHERE state = 'failing' LIMIT 1",
		"SELECT 'incidents/' || id FROM incidents ORDER BY over_at IS NOT NULL, attempts DESC LIMIT 1",
	} {
		s.pages = append(s.pages, query(t, db, q)...)
	}
	return s
}

// browseShop starts the browser, logs in with it, and returns the pages.
func browseShop(t *testing.T, attacks ...string) (*rod.Browser, *pageSet) {
	t.Helper()
	b := browse(t)
	s := shopSite(t, attacks)
	w := open(t, b, s.site)
	w.visit(s.site + "/login")
	w.must(w.Keyboard.Type(input.Tab, input.Tab)) // past the link to the content
	for _, text := range []string{"ada", "correct horse"} {
		w.must(w.InsertText(text))
		w.must(w.Keyboard.Type(input.Tab))
	}
	loaded := w.WaitNavigation(proto.PageLifecycleEventNameLoad)
	w.must(w.Keyboard.Type(input.Enter))
	loaded()
	var title string
	w.eval(&title, "() => document.querySelector('h1').innerText")
	if list := w.complained(); title != "Overview" || len(list) > 0 {
		t.Fatalf("the login leads to %q and the browser complains %q", title, list)
	}
	return b, s // the tab stays open: with its last one, the browser forgets the session
}

// attacks are replies that must stay text.
var attacks = []string{
	"<script>document.title='owned'</script>", "<img src=x onerror=\"document.title='owned'\">", "</table></style><svg onload=document.title='owned'>",
	"<iframe src=javascript:alert(1)>", "<style>body{display:none}</style>", "<link rel=stylesheet href=https://evil.example/x.css>", "<base href=https://evil.example/>",
	strings.Repeat("averylongwordwithoutanyspace", 20),
}

// mayFail are pages that answer with an error, which the browser logs.
func mayFail(at string) bool { return strings.HasSuffix(at, "since=soon") }

// A real browser shows every page and has nothing to complain about.
func showsEveryPage(t *testing.T, b *rod.Browser, s *pageSet) {
	s.each(t, b, func(w *tab, at string) {
		w.visit(at)
		for _, l := range looks {
			w.see(l)
			var over int
			w.eval(&over, "() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
			if over > 0 {
				t.Errorf("%s, %s: the page is %d pixels too wide", at, l.name, over)
			}
		}
		var made []string
		w.eval(&made, `() => [...document.querySelectorAll("script, img, iframe, base, object, embed, [onload], [onerror], [href^='javascript:']")].map(e => e.outerHTML)`)
		if at == s.file {
			made = slices.DeleteFunc(made, func(e string) bool { return strings.HasPrefix(e, "<style") })
		}
		if len(made) > 0 {
			t.Errorf("%s: the browser has made elements of a reply: %.300q", at, made)
		}
		if list := w.complained(); len(list) > 0 && !mayFail(at) {
			t.Errorf("%s: the browser complains: %q", at, list)
		}
	})
}

func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	b, s := browseShop(t, attacks...)
	for name, test := range map[string]func(*testing.T, *rod.Browser, *pageSet){
		"shows every page": showsEveryPage, "accessible": accessible, "without script": needsNoScript, "by keyboard": worksByKeyboard, "on paper": prints,
	} {
		t.Run(name, func(t *testing.T) { test(t, b, s) })
	}
	t.Run("before the login", func(t *testing.T) {
		stranger, err := b.Incognito()
		if err != nil {
			t.Fatal(err)
		}
		login := &pageSet{site: s.site, file: s.file, pages: []string{"login"}}
		showsEveryPage(t, stranger, login)
		accessible(t, stranger, login)
	})
}

// all returns the URLs of all pages, and of the report.
func (s *pageSet) all() []string {
	list := []string{s.file}
	for _, p := range s.pages {
		list = append(list, s.site+"/"+p)
	}
	return list
}

func originOf(at string) string {
	u, _ := url.Parse(at) // ours
	return u.Scheme + "://" + u.Host
}

// axe-core finds no barrier in any page. make torture tries each look, make test one for
// each page: that of a desktop, light, or that of a phone, dark.
func accessible(t *testing.T, b *rod.Browser, s *pageSet) {
	checker, err := os.ReadFile(axe)
	if err != nil {
		t.Skip("SKIPPED: no axe-core here to check accessibility; run scripts/test-setup")
	}
	seen := 0
	s.each(t, b, func(w *tab, at string) {
		w.visit(at)
		_, err := proto.RuntimeEvaluate{Expression: string(checker) + "; 0"}.Call(w)
		w.must(err)
		seen++
		for _, l := range volume.Of([]look{looks[seen%2*3]}, looks) {
			w.see(l)
			var found []struct {
				ID    string
				Help  string
				Nodes []struct{ HTML, FailureSummary string }
			}
			w.eval(&found, "() => axe.run({resultTypes: ['violations']}).then(r => r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => ({html: n.html, failureSummary: n.failureSummary}))})))")
			for _, v := range found {
				t.Errorf("%s, %s: %s: %s\n%.200s\n%s", at, l.name, v.ID, v.Help, v.Nodes[0].HTML, v.Nodes[0].FailureSummary)
			}
		}
	})
}

// ago matches how long ago a log grew.
var ago = regexp.MustCompile(`last line \d+ \S+ ago`)

func needsNoScript(t *testing.T, b *rod.Browser, s *pageSet) {
	with, without := open(t, b, s.site), open(t, b, s.site)
	without.must(proto.EmulationSetScriptExecutionDisabled{Value: true}.Call(without))
	for _, at := range s.all()[1:] {
		var texts [2]string
		for i, w := range []*tab{with, without} {
			// On a busy machine a page may end its reading early, and says so.
			for deadline := time.Now().Add(time.Minute); ; {
				w.visit(at)
				main, err := w.Element("main")
				w.must(err)
				texts[i], err = main.Text()
				w.must(err)
				if !strings.Contains(texts[i], "could be read in time") || time.Now().After(deadline) {
					break
				}
			}
			texts[i] = ago.ReplaceAllString(texts[i], "AGO")
		}
		if texts[0] != texts[1] || len(texts[0]) < 10 {
			t.Errorf("%s: with scripts the page says %q, without %q", at, texts[0], texts[1])
		}
	}
}

// Every link and field is reached by the Tab key, in the order of the page, and is seen to
// be.
func worksByKeyboard(t *testing.T, b *rod.Browser, s *pageSet) {
	w := open(t, b, s.site)
	w.see(looks[0])
	for _, at := range []string{"", "recipients", "unclassified", "report"} {
		w.visit(s.site + "/" + at)
		var want int
		w.eval(&want, `() => { window.order = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]; return window.order.length }`)
		for i := range want {
			w.must(w.Keyboard.Type(input.Tab))
			var focus struct {
				Place   int
				Outline string
				Shown   bool
				HTML    string
			}
			w.eval(&focus, `() => {
				const e = document.activeElement, r = e.getBoundingClientRect();
				return {place: window.order.indexOf(e), outline: getComputedStyle(e).outlineStyle, html: e.outerHTML,
					shown: r.width > 0 && r.height > 0 && r.left >= 0 && r.top >= 0 && r.top < innerHeight}
			}`)
			if focus.Place != i {
				t.Fatalf("/%s: the key Tab leads to %.100s, the %d. of %d places, want the %d.", at, focus.HTML, focus.Place+1, want, i+1)
			}
			if focus.Outline == "none" || !focus.Shown {
				t.Errorf("/%s: the focus on %.100s cannot be seen", at, focus.HTML)
			}
		}
		w.visit(s.site + "/" + at)
		w.must(w.Keyboard.Type(input.Tab, input.Enter))
		w.must(w.Keyboard.Type(input.Tab))
		var inside bool
		w.eval(&inside, `() => document.querySelector("main").contains(document.activeElement) || document.querySelector("main a, main input") === null`)
		if !inside {
			t.Errorf("/%s: the first link does not lead to the content", at)
		}
	}
}

// A page on paper has no navigation, black text, and nothing that is cut off.
func prints(t *testing.T, b *rod.Browser, s *pageSet) {
	s.each(t, b, func(w *tab, at string) {
		w.see(look{"paper", 718, 1000, "dark"}) // A4 without margins at 96 dots an inch
		w.visit(at)
		w.must(proto.EmulationSetEmulatedMedia{Media: "print", Features: []*proto.EmulationMediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}.Call(w))
		var paper struct {
			Over   int
			Color  string
			Ground string
			Nav    bool
			Cut    []string
		}
		w.eval(&paper, `() => {
			const body = getComputedStyle(document.body), nav = document.querySelector("nav");
			return {over: document.documentElement.scrollWidth - document.documentElement.clientWidth, color: body.color, ground: body.backgroundColor,
				nav: nav !== null && nav.getClientRects().length > 0,
				cut: [...document.querySelectorAll(".wide")].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)}
		}`)
		if paper.Over > 0 || paper.Color != "rgb(0, 0, 0)" || paper.Ground != "rgb(255, 255, 255)" || paper.Nav {
			t.Errorf("%s on paper: %+v", at, paper)
		}
		for _, cut := range paper.Cut {
			t.Errorf("%s on paper: a table is too wide: %.200q", at, cut)
		}
	})
}
