// Scale fills a database with the records of years of a busy server, and measures
// operations of an admin and of the daemon: explain, allow, a batch of a few lines,
// states whose time is over, a change of policy. It takes minutes and gigabytes. An
// existing database is not filled again; the measurements change it.
//
//	go run ./bench/scale -recipients 1000000 -records 10000000 -db /var/tmp/scale.db
//
// With -pieces it imports a long log of bench/genlog into a database, piece by piece,
// and prints the cost of each: a database should not make the next import slower.
//
//	go run ./bench/scale -pieces 10 -size 1000 -recipients 2000000 -db /var/tmp/scale.db
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func main() {
	recipients := flag.Int("recipients", 100_000, "addresses that fail")
	records := flag.Int("records", 1_000_000, "failures")
	path := flag.String("db", "", "the database to make, or one that was made so")
	only := flag.Bool("fill", false, "only make the database, and measure nothing")
	var s series
	flag.IntVar(&s.pieces, "pieces", 0, "import so many pieces of a log instead")
	flag.Int64Var(&s.size, "size", 1000, "of a piece, in MB")
	flag.StringVar(&s.program, "program", "./bouncetail", "what imports the pieces")
	flag.StringVar(&s.genlog, "genlog", ".cache/genlog", "what makes the log; see bench/genlog")
	flag.Parse()
	var err error
	if s.pieces > 0 {
		s.db, s.recipients = *path, *recipients
		err = s.run(context.Background())
	} else {
		err = run(context.Background(), *path, *recipients, *records, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// policy is the default policy of the settings.
var policy = bounce.Policy{
	General:    bounce.Threshold{Failures: 10, Days: 21, Window: 60, BadDays: 30},
	Categories: map[bounce.Category]bounce.Threshold{bounce.Blocked: {}, bounce.MailboxFull: {Failures: 6, Days: 21, Window: 90, BadDays: 60}},
}

const batchSize = 64_000 // as in an import

func run(ctx context.Context, path string, recipients, records int, only bool) error {
	if path == "" {
		return errors.New("-db: name a file for the database")
	}
	_, err := os.Stat(path)
	filled := err == nil
	s, err := sqlite.Open(ctx, path, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, _, err := s.UsePolicy(ctx, &policy); err != nil {
		return err
	}
	g := &generator{rng: rand.New(rand.NewPCG(1, 1)), recipients: recipients, records: records}
	span := 90 * 24 * time.Hour
	g.at, g.step = time.Now().Add(-span), span/time.Duration(records*3/2)
	if filled {
		// Later than all stored records, as in a log that continues.
		g.at, g.step, g.failed = time.Now().AddDate(0, 0, 7), time.Millisecond, records
	} else if err := fill(ctx, s, g); err != nil {
		return err
	}
	if only {
		return s.Close()
	}
	// Now measure what a daemon does.
	measure(fmt.Sprintf("batch of %d records", batchSize), 5, func() error { _, err := s.Save(ctx, g.batch(batchSize)); return err })
	measure("batch of 20 lines", 200, func() error { _, err := s.Save(ctx, g.batch(20)); return err })
	measure("batch of 1 line", 200, func() error { _, err := s.Save(ctx, g.batch(1)); return err })
	measure("nothing to move on", 200, func() error { _, err := s.Expire(ctx); return err })
	if err := byHand(ctx, path, g); err != nil {
		return err
	}
	now := time.Now()
	s.Now = func() time.Time { return now.AddDate(0, 0, 61) }
	var moved int
	measure("states of 61 days moved on", 1, func() error { moved, err = s.Expire(ctx); return err })
	fmt.Printf("  (%d states)\n", moved)
	s.Now = nil
	var rows int
	other := policy
	other.General.BadDays = 20
	measure("another policy", 1, func() error { _, changes, err := s.UsePolicy(ctx, &other); rows = changes.Rows; return err })
	fmt.Printf("  (%d rows changed)\n", rows)
	measure("rebuild", 1, func() error { rows, err = s.Rebuild(ctx); return err })
	fmt.Printf("  (%d rows changed)\n", rows)
	if err := s.Close(); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("%d MB\n", info.Size()>>20)
	return nil
}

// fill saves all records of the generator, in batches of the size of an import.
func fill(ctx context.Context, s *sqlite.Store, g *generator) error {
	begun, last, told := time.Now(), time.Now(), 0
	for done := 0; done < g.records; {
		n := min(batchSize, g.records-done)
		if _, err := s.Save(ctx, g.batch(n)); err != nil {
			return err
		}
		if done += n; done%(batchSize*10) == 0 || done == g.records {
			fmt.Printf("%9d records, the last %4.1f µs each\n", done, float64(time.Since(last).Microseconds())/float64(done-told))
			last, told = time.Now(), done
		}
	}
	fmt.Printf("filled in %v\n", time.Since(begun).Round(time.Second))
	return nil
}

// byHand measures commands while the daemon runs.
func byHand(ctx context.Context, path string, g *generator) error {
	r, err := query.OpenReader(ctx, path)
	if err != nil {
		return err
	}
	defer r.Close()
	explain := func(to bounce.Address) error {
		if _, _, err := r.Recipient(ctx, to.Normal); err != nil {
			return err
		}
		if _, err := r.Attempts(ctx, to, 20); err != nil {
			return err
		}
		if _, err := r.Counted(ctx, to); err != nil {
			return err
		}
		_, err := r.DecisionsOn(ctx, to)
		return err
	}
	measure("explain", 200, func() error { return explain(g.address(g.rng.IntN(g.recipients / 2))) })
	measure("explain, the one that fails most", 20, func() error { return explain(g.address(0)) })
	e, err := sqlite.OpenEditor(ctx, path)
	if err != nil {
		return err
	}
	defer e.Close()
	measure("allow of 1", 100, func() error {
		_, err := e.Decide(ctx, recipient.Allow, []bounce.Address{g.address(g.rng.IntN(g.recipients / 2))}, "", time.Time{})
		return err
	})
	var many []bounce.Address
	for i := range 10_000 {
		many = append(many, bounce.Address{Normal: fmt.Sprintf("blocked%d@example.net", i), Domain: "example.net"})
	}
	measure("block of 10,000", 1, func() error { _, err := e.Decide(ctx, recipient.Block, many, "", time.Time{}); return err })
	var released sqlite.Released
	day := recipient.Release{Since: stamp(time.Now().AddDate(0, 0, -10)), Until: stamp(time.Now().AddDate(0, 0, -9)), Category: "invalid-address"}
	measure("release of a day", 1, func() error { released, err = e.Release(ctx, day, false); return err })
	fmt.Printf("  (%d failures of %d addresses)\n", released.Failures, released.Recipients)
	var found []incidents.Shown
	settings := incident.Settings{Sensitivity: incident.Sensitivities["normal"], Addresses: 10, Gap: 6 * time.Hour}
	measure("incidents of 7 days, found again", 3, func() error {
		found, err = incidents.Backtest(ctx, r.Querier(), settings, time.Now().AddDate(0, 0, -7), time.Now())
		return err
	})
	fmt.Printf("  (%d)\n", len(found))
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// measure runs a function several times, and prints the median and the maximum of its
// time.
func measure(what string, times int, do func() error) {
	var took []time.Duration
	for range times {
		begun := time.Now()
		if err := do(); err != nil {
			fmt.Fprintf(os.Stderr, "scale: %s: %v\n", what, err)
			os.Exit(1)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	fmt.Printf("%-34s %12v %12v\n", what, took[len(took)/2].Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond))
}

// full is the number of addresses of which one has a mailbox that is always full.
const full = 20

// generator makes records in time order, like those of a server that sends to one part
// of its list after the other: nine of ten failures are in the current part. Address 0
// has a thousandth of all failures.
type generator struct {
	rng        *rand.Rand
	recipients int
	at         time.Time
	step       time.Duration
	n          uint32
	last       int // index of the last address that failed
	records    int // total
	failed     int // so far
}

// failing returns the index of the next address that fails.
func (g *generator) failing() int {
	g.failed++
	switch one := g.rng.IntN(1000); {
	case one == 0:
		g.last = 0
	case one < 50:
		g.last = g.rng.IntN(g.recipients/full) * full
	case one < 100:
		g.last = g.rng.IntN(g.recipients)
	default:
		begin := int(int64(g.failed) * int64(g.recipients) / int64(g.records))
		g.last = (begin + g.rng.IntN(g.recipients/100)) % g.recipients
	}
	return g.last
}

// address returns an address. Half of them are at large providers, a fifth at 200 domains
// with separate windows, and the others at 20,000 small domains.
func (g *generator) address(i int) bounce.Address {
	domain := fmt.Sprintf("d%d.example", i%20_000)
	switch {
	case i%10 < 5:
		domain = slugs[(i/10)*(i/10)%len(slugs)] + ".example"
	case i%10 < 7:
		domain = fmt.Sprintf("large%d.example", i/10%200)
	}
	return bounce.Address{Normal: fmt.Sprintf("%s.%d@%s", names[i%len(names)], i, domain), Domain: domain}
}

var (
	slugs = classify.Providers()[:40]
	names = []string{"jane", "omar", "li", "news", "info", "maria", "piotr"}
)

// provider returns the slug of the provider of an address, and its number among slugs
// plus 1.
func provider(to bounce.Address) (slug string, number int) {
	slug, _, _ = strings.Cut(to.Domain, ".")
	if i, known := slices.BinarySearch(slugs, slug); known {
		return slug, i + 1
	}
	return "", 0
}

// sender returns an envelope sender. One of fifty is used once only.
func (g *generator) sender() string {
	if n := g.rng.IntN(100); n >= 2 {
		return fmt.Sprintf("news-%d@shop.example", n)
	}
	return fmt.Sprintf("bounce+%d@shop.example", g.n)
}

// kinds lists the kinds of failures with their percentage.
var kinds = []struct {
	of      int
	outcome bounce.Outcome
	bounce.Verdict
	reply string
}{
	{2, bounce.Bounced, bounce.Verdict{Category: bounce.Unclassified, Reason: bounce.Unknown, Scope: bounce.ScopeNetwork, Disposition: bounce.Retry}, "550 The request %d of %s cannot be met in the department of parcels"},
	{18, bounce.Bounced, bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true}, "550 5.1.1 Recipient address rejected: User unknown in virtual mailbox table"},
	{15, bounce.Bounced, bounce.Verdict{Category: bounce.MailboxFull, Reason: bounce.MailboxFullReason, Scope: bounce.ScopeRecipient, Disposition: bounce.Retry}, "552 5.2.2 The email account that you tried to reach is over quota"},
	{35, bounce.Deferred, bounce.Verdict{Category: bounce.RateLimit, Reason: bounce.Greylisted, Scope: bounce.ScopeSender, Disposition: bounce.Retry}, "450 4.2.0 Greylisted, see http://postgrey.example/help"},
	{20, bounce.Deferred, bounce.Verdict{Category: bounce.RecipientError, Reason: bounce.ConnectionFailed, Scope: bounce.ScopeNetwork, Disposition: bounce.Retry}, "connect to mx.example[192.0.2.1]:25: Connection timed out"},
	{10, bounce.Bounced, bounce.Verdict{Category: bounce.SenderReputation, Reason: bounce.IPBlocklisted, Scope: bounce.ScopeSender, Disposition: bounce.Permanent, Blocklist: "zen.spamhaus.org"}, "554 5.7.1 Service unavailable; Client host [198.51.100.7] blocked using zen.spamhaus.org"},
}

// batch makes n failures and half as many deliveries.
func (g *generator) batch(n int) *bounce.Batch {
	b := &bounce.Batch{Providers: slugs}
	for range n {
		g.next()
		to := g.address(g.failing())
		percent := g.rng.IntN(100)
		if g.last%full == 0 {
			percent = 20 // in kinds, a full mailbox
		}
		k := &kinds[0]
		for j := range kinds {
			if k = &kinds[j]; percent < k.of {
				break
			}
			percent -= k.of
		}
		reply := k.reply
		if strings.Contains(reply, "%d") {
			reply = fmt.Sprintf(reply, g.rng.IntN(1<<20), to.Domain)
		}
		verdict := k.Verdict
		verdict.Provider, _ = provider(to)
		r := bounce.Record{
			Delivery: bounce.Delivery{
				ID: g.id(), At: g.at, Host: "mx1", MTA: bounce.Postfix, QueueID: fmt.Sprintf("4C%X", g.n), Sender: g.sender(), HasSender: true,
				MessageID: fmt.Sprintf("%d.%d@shop.example", g.n, g.last), Outcome: k.outcome, DSN: "5.0.0",
				Reply: bounce.Reply{SMTPCode: 550, EnhancedCode: "5.1.1", Text: reply, Stage: bounce.StageRcptTo, RelayHost: "mx." + to.Domain, RelayIP: "192.0.2.1", RelayPort: 25},
			},
			Verdict: verdict, To: to,
		}
		r.Rule = "scale"
		b.Records.Add(&r)
		if g.rng.IntN(2) == 0 {
			g.next()
			i := g.rng.IntN(g.recipients)
			if i%full == 0 {
				continue
			}
			to := g.address(i)
			_, number := provider(to)
			b.Successes = append(b.Successes, bounce.Success{ID: g.id(), Domain: uint32(len(b.Domains)), At: g.at.UnixMilli(), Key: to.Key(), Provider: uint16(number), First: true})
			b.Domains = append(b.Domains, to.Domain)
		}
	}
	return b
}

func (g *generator) next() { g.n++; g.at = g.at.Add(g.step) }

func (g *generator) id() bounce.EventID {
	return bounce.NewEventID(uint32(g.at.Unix()), fmt.Sprint(g.n))
}
