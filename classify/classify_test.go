package classify_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/classify/internal/labelled"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func builtin(t testing.TB) *classify.Classifier {
	t.Helper()
	c, err := classify.New("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBuiltInRulesHoldTheirExamples(t *testing.T) {
	if err := builtin(t).Check(); err != nil {
		t.Error(err)
	}
}

func TestVerdictsOnVectors(t *testing.T) {
	f, err := os.Open("testdata/vectors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	replies, err := labelled.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	result := labelled.Measure(builtin(t), replies)
	for _, d := range result.Disagreements {
		t.Error(d)
	}
	got := result.Confusion() + result.Shares()
	const golden = "testdata/confusion.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the confusion of categories has changed; read it and run with -update\n got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDeferredIsNeverHeldAgainstTheAddress(t *testing.T) {
	c := builtin(t)
	d := classify.Delivery("550 5.1.1 User unknown")
	d.Outcome = bounce.Deferred // soft_bounce
	if v := c.Verdict(&d); v.Suppress || v.Disposition != bounce.Retry || v.Category != bounce.InvalidAddress {
		t.Errorf("deferred: %+v", v)
	}
	d.Outcome = bounce.Expired
	if v := c.Verdict(&d); v.Suppress || v.Disposition != bounce.Permanent {
		t.Errorf("expired: %+v", v)
	}
}

func TestAddressVerdictBeforeTheRecipientIsAboutTheSender(t *testing.T) {
	c := builtin(t)
	for _, stage := range []bounce.Stage{bounce.StageGreeting, bounce.StageEHLO, bounce.StageMailFrom} {
		d := classify.Delivery("550 5.1.1 user unknown")
		d.Reply.Stage = stage
		if v := c.Verdict(&d); v.Suppress || v.Scope != bounce.ScopeSender {
			t.Errorf("%s: %+v", stage, v)
		}
	}
}

func TestDetailsBesideTheVerdict(t *testing.T) {
	c := builtin(t)
	for _, tt := range []struct {
		reply, host    string
		blocklist, url string
		wait           time.Duration
		provider       string
	}{
		{reply: "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1", blocklist: "zen.spamhaus.org", url: "https://www.spamhaus.org/query/ip/192.0.2.1"},
		{reply: "554 5.7.1 Client host blocked using dnsbl.a.example", blocklist: "dnsbl.a.example"},
		{reply: "450 4.2.0 Greylisted for 300 seconds, see http://postgrey.example/x.html.", wait: 300 * time.Second, url: "http://postgrey.example/x.html"},
		{reply: "451 4.7.1 Greylisted, please try again in 5 minutes", wait: 5 * time.Minute},
		{reply: "451 4.7.1 Greylisting in action, please come back in 00:04:59", wait: 4*time.Minute + 59*time.Second},
		{reply: "450 come back in 999999 hours"},
		{reply: "550 5.1.1 User unknown", host: "gmail-smtp-in.l.google.com", provider: "google"},
		{reply: "554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]", provider: "yahoo"},
		{reply: "550 5.1.1 User unknown", host: "mx.b.example"},
	} {
		d := classify.Delivery(tt.reply)
		d.Reply.RelayHost = tt.host
		v := c.Verdict(&d)
		if v.Blocklist != tt.blocklist || v.URL != tt.url || v.RetryAfter != tt.wait || v.Provider != tt.provider {
			t.Errorf("%s\n got blocklist %q, url %q, wait %s, provider %q\nwant %q, %q, %s, %q", tt.reply, v.Blocklist, v.URL, v.RetryAfter, v.Provider, tt.blocklist, tt.url, tt.wait, tt.provider)
		}
	}
}

func TestSameReplySameVerdict(t *testing.T) {
	one, other := builtin(t), builtin(t)
	for i := range 3 {
		d := classify.Delivery("550 5.1.1 <a@b.example> Recipient rejected: mailbox full or unknown")
		d2 := d
		d2.Reply.Text = strings.Replace(d.Reply.Text, "a@b", strings.Repeat("x", i+1)+"@c", 1)
		if a, b := one.Verdict(&d), other.Verdict(&d2); a != b {
			t.Errorf("%+v\n%+v", a, b)
		}
	}
}

func TestRulesOfAnAdmin(t *testing.T) {
	const good = `
- id: mine/greylist
  why: Our partner's words for greylisting.
  match: {any: ['tarpit nr']}
  verdict: {category: rate-limit, reason: greylisted, scope: sender, disposition: retry}
  decides: ['450 tarpit nr 5']
  leaves: ['450 tar']
`
	load := func(t *testing.T, text string) (*classify.Classifier, error) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return classify.New(dir)
	}
	c, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	d := classify.Delivery("450 Tarpit nr 17")
	if v := c.Verdict(&d); v.Rule != "mine/greylist" {
		t.Errorf("decided by %s", v.Rule)
	}
	for _, tt := range []struct{ name, text, says string }{
		{"no YAML", "- id: [", "a file of rules is a list; begin each rule with - id:"},
		{"misspelt key", strings.Replace(good, "why:", "wyh:", 1), "wyh"},
		{"unknown category", strings.Replace(good, "rate-limit", "ratelimit", 1), `there is no category "ratelimit"`},
		{"bad expression", strings.Replace(good, "tarpit nr", "tarpit (", 1), "missing closing )"},
		{"capitals", strings.Replace(good, "tarpit nr", "Tarpit", 1), "lower case"},
		{"empty match", strings.Replace(good, "['tarpit nr']", "['x*']", 1), "matches any reply"},
		{"no example", strings.Replace(good, "decides: ['450 tarpit nr 5']", "", 1), "decides"},
		{"own example missed", strings.Replace(good, "450 tarpit nr 5", "450 tapir", 1), "does not match its own example"},
		{"what it leaves decided", strings.Replace(good, "450 tar'", "450 tarpit nr'", 1), "which it is to leave"},
		{"twice", good + good, "has the id of a rule in"},
		{"another's example taken", strings.Replace(good, "'tarpit nr'", "'tarpit nr', 'user unknown'", 1), "text/no-such-user"},
		{"shadowed by its neighbour", good + strings.NewReplacer("mine/greylist", "mine/second").Replace(good), "rule mine/greylist takes over"},
		{"overrides nothing", strings.Replace(good, "  leaves:", "  overrides: [text/none]\n  leaves:", 1), "text/none, which does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "mine.yaml") {
				t.Errorf("got %v, want an error that names mine.yaml and says %q", err, tt.says)
			}
		})
	}
}

func TestMistakesInRulesAreNamedByTheirKeys(t *testing.T) {
	const good = `- id: mine/greylist
  why: Our partner's words for greylisting.
  match: {any: ['tarpit nr']}
  verdict: {category: rate-limit, reason: greylisted, scope: sender, disposition: retry}
  decides: ['450 tarpit nr 5']
`
	for _, tt := range []struct{ old, now, says string }{
		{"disposition: retry", "disposition: retry, suppress: true", "line 4: a verdict has no key suppress; it has category, reason, scope, disposition"},
		{"id:", "idd:", "line 1: a rule has no key idd; did you mean id?"},
		{"why:", "colour:", "line 2: a rule has no key colour; it has id, why, match, verdict, decides, leaves, overrides"},
		{"any:", "anny:", "line 3: match has no key anny; did you mean any?"},
		{"{any: [", "{any: ", "this is no YAML (line 2: "},
		{"- id:", "  id:", "line 1: a file of rules is a list; begin each rule with - id:"},
		{good, "rules", "line 1: a file of rules is a list; begin each rule with - id:"},
		{good, "- rules", "line 1: a rule is written with keys (id, why, match, verdict, decides, leaves, overrides), not as \"rules\""},
		{"{any: ['tarpit nr']}", "tarpit", "line 3: match is written with keys (states, any, "},
		{"['450 tarpit nr 5']", "450 tarpit nr 5", "line 5: found \"450 tar...\" instead of a list, such as"},
		{"Our partner's words for greylisting.", "[Our partner]", "line 2: found a list instead of a text"},
		{"any: [", "undisputed: often, any: [", "line 3: found \"often\" instead of true or false"},
		{"scope: sender", "scope: me", "there is no scope \"me\"; it is one of recipient, domain, sender, message, network, local"},
		{"scope: sender, ", "", "scope is missing; it is one of recipient, domain, "},
		{"reason: greylisted", "reason: greylistd", "there is no reason \"greylistd\"; did you mean greylisted?"},
		{"category: rate-limit", "category: other", "there is no category \"other\"; it is one of blocked, dmarc, "},
		{"reason: greylisted, scope: sender", "reason: no-such-user, scope: recipient", "mine.yaml: line 1: rule mine/greylist: verdict: the reason no-such-user says that the address is bad, and the category rate-limit does not; use invalid-address or mailbox"},
		{"category: rate-limit, reason: greylisted", "category: mailbox, reason: account-disabled", "the scope sender does not; use recipient or domain, or another reason"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(strings.Replace(good, tt.old, tt.now, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := classify.New(dir)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error that says %q", tt.now, err, tt.says)
			continue
		}
		for _, internal := range []string{"classify.", ": yaml:", "!!", "unmarshal", "[]string"} {
			if strings.Contains(err.Error(), internal) {
				t.Errorf("%s: the error shows %q: %v", tt.now, internal, err)
			}
		}
	}
}

// Every key of a rule, of its match and of its verdict is described.
func TestDocsDescribeTheKeysOfRules(t *testing.T) {
	docs, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []reflect.Type{reflect.TypeFor[classify.Match](), reflect.TypeFor[classify.Says]()} {
		for field := range part.Fields() {
			key := field.Tag.Get("yaml")
			if !regexp.MustCompile("(?m)^\\| [^|]*`" + key + "`[^|]*\\|").Match(docs) {
				t.Errorf("docs/rules.md has no row for %s of %v", key, part)
			}
		}
	}
}

// A directory that is not there has no rules; a file that is not YAML's is none.
func TestNoRulesOfAnAdmin(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte("not YAML: ["), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"", dir, filepath.Join(dir, "none")} {
		if _, err := classify.New(d); err != nil {
			t.Errorf("New(%q): %v", d, err)
		}
	}
}

func BenchmarkVerdictOfSeenShape(b *testing.B) {
	c := builtin(b)
	d := classify.Delivery("550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address. 550 5.1.1 https://support.google.com/mail/?p=NoSuchUser 98e67ed59e1d1-2c819db36a9si60 - gsmtp")
	d.Reply.RelayHost = "gmail-smtp-in.l.google.com"
	b.ReportAllocs()
	for b.Loop() {
		c.Verdict(&d)
	}
}

func BenchmarkVerdictOfNewShape(b *testing.B) {
	c := builtin(b)
	f, err := os.Open("testdata/vectors.tsv")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	replies, err := labelled.Read(f)
	if err != nil {
		b.Fatal(err)
	}
	deliveries := make([]bounce.Delivery, len(replies))
	for i := range replies {
		deliveries[i] = classify.Delivery(replies[i].Text)
	}
	n := 0
	for b.Loop() {
		d := &deliveries[n%len(deliveries)]
		d.DSN = ""
		d.Reply.Stage = bounce.Stage(string(rune('a'+n%26)) + string(rune('a'+n/26%26)) + string(rune('a'+n/676%26)) + string(rune('a'+n/17576%26)))
		c.Verdict(d)
		n++
	}
}

// What a log says beside the reply decides whom the reply is about.
func TestVerdictsInContext(t *testing.T) {
	f, err := os.Open("testdata/context.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	replies, err := labelled.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range labelled.Measure(builtin(t), replies).Disagreements {
		t.Error(d)
	}
}

// A look-up of our own mail server says nothing while nobody knows the recipient.
func TestBareLookupGivesNoAddressUp(t *testing.T) {
	c := builtin(t)
	for _, reply := range []string{
		"Host or domain name not found. Name service error for name=gone.example type=A: Host not found",
		"Domain gone.example does not accept mail (nullMX)",
	} {
		if v := verdict(c, reply); v.Suppress {
			t.Errorf("%s: %+v", reply, v)
		}
	}
	if v := verdict(c, "550 5.1.2 Domain gone.example does not exist"); !v.Suppress {
		t.Errorf("a remote server that says so: %+v", v)
	}
}

var boundary = regexp.MustCompile(`\\b[^\x00-\x7F]`)

func TestRuleFilesCanBeReviewed(t *testing.T) {
	files, err := filepath.Glob("rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	lexicons, _ := filepath.Glob("lexicon/*")
	for _, name := range append(files, lexicons...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			if n++; len([]rune(line)) > 161 { // with the newline
				t.Errorf("%s:%d has %d characters; 160 are the limit", name, n, len([]rune(line))-1)
			}
			if boundary.MatchString(line) {
				t.Errorf(`%s:%d: RE2 knows no boundary \b before a letter that is not ASCII, so it never matches`, name, n)
			}
		}
	}
}

// A hostile reply must not hold up the daemon.
func TestHostileRepliesAreJudgedQuickly(t *testing.T) {
	c := builtin(t)
	for name, unit := range map[string]string{
		"words": "user unknown or not found ", "parentheses": "(((((", "closing": ")]", "commas": ",,,, a", "entities": "&#39;&lt;",
		"names": "name.of.a.host.example ", "numbers": "550 5.1.1 ", "quotes": "said: 550 ", "Han": "用户不存在的", "at": "a@b@c@", "brackets": "<<<[[[",
		"misspelt": "usre unknwon mailbxo ", "negations": "not not no longer ", "URLs": "http://a/?p= ", "probes": "undeliverable address: host a said: 550 ",
	} {
		d := classify.Delivery("550 " + strings.Repeat(unit, 32<<10/len(unit)))
		d.Outcome, d.Recipient, d.MTA = bounce.Bounced, "alice@b.example", bounce.Postfix
		const most = 500 * time.Millisecond // 5 ms on an idle machine
		took := time.Hour
		for try := 0; try < 5 && took > most; try++ {
			start := time.Now()
			c.Verdict(&d)
			took = min(took, time.Since(start))
		}
		if took > most {
			t.Errorf("%s: %s", name, took)
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}

// OpenSMTPD's words do not name what was looked up, but relay= does.
func TestOpenSMTPDLooksUpASmartHost(t *testing.T) {
	c := builtin(t)
	for _, tt := range []struct {
		relay, words string
		suppress     bool
	}{
		{"gone.example", "Domain does not exist", true},
		{"GONE.example", "No MX found for domain", true},
		{"smarthost.a.example", "Domain does not exist", false},
		{"smarthost.a.example", "No MX found for domain", false},
		{"smarthost.a.example", "Host not found", false},
		{"smarthost.a.example", "Domain does not accept mail", false},
	} {
		d := bounce.Delivery{MTA: bounce.OpenSMTPD, Outcome: bounce.Bounced, Recipient: "jane@gone.example", Transport: "mta", Reply: bounce.Reply{RelayHost: tt.relay, Text: tt.words}}
		v := c.Verdict(&d)
		if v.Suppress != tt.suppress || !tt.suppress && v.Scope != bounce.ScopeLocal {
			t.Errorf("%s by %s: %+v, want suppress %v", tt.words, tt.relay, v, tt.suppress)
		}
	}
}
