package incidents

import (
	"context"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// surge counts the failures of an incident of the kind BadSurge.
type surge struct {
	*incident.Incident
	last      int // the last failure that was counted, by its place
	attempts  int
	addresses map[int64]bool
	domains   map[string]bool
}

// countSurges counts the failures of incidents of the kind BadSurge, which are sorted by
// their starts. A log can have hundreds of them in the same hours, so each failure is read
// once and looked up in the subjects. The failures of an incident are those of Failures.
func countSurges(ctx context.Context, db sqldb.Querier, sorted []*incident.Incident) error {
	for len(sorted) > 0 {
		n, last := 1, sorted[0].LastAt
		for n < len(sorted) && sorted[n].StartedAt <= last {
			last = max(last, sorted[n].LastAt)
			n++
		}
		if err := countTogether(ctx, db, sorted[:n], last); err != nil {
			return err
		}
		sorted = sorted[n:]
	}
	return nil
}

// countTogether counts the failures of incidents that overlap, up to a time.
func countTogether(ctx context.Context, db sqldb.Querier, some []*incident.Incident, last string) error {
	all := make([]surge, len(some))
	bySubject := make(map[string][]*surge)
	for n, i := range some {
		s := &all[n]
		*s = surge{Incident: i, addresses: make(map[int64]bool), domains: make(map[string]bool)}
		bySubject[i.Subject] = append(bySubject[i.Subject], s)
	}
	place := 0
	err := sqldb.ScanAll(ctx, db, `
		SELECT occurred_at, recipient_key, domain, coalesce(provider, ''), coalesce(relay_host, ''),
		    coalesce(relay_ip, ''), reason,
		    CASE WHEN reason = 'no-such-domain' THEN coalesce(reply, '') ELSE '' END
		FROM bounces INDEXED BY bounces_refused
		WHERE suppress = 1 AND occurred_at >= ? AND occurred_at <= ?`, func(scan func(...any) error) error {
		var at, domain, provider, host, ip, reason, reply string
		var key int64
		if err := scan(&at, &key, &domain, &provider, &host, &ip, &reason, &reply); err != nil {
			return err
		}
		place++
		count := func(s *surge) {
			if s.last != place && s.StartedAt <= at && at <= s.LastAt {
				s.last = place
				s.attempts++
				s.addresses[key], s.domains[domain] = true, true
			}
		}
		_, operator, _ := strings.Cut(host, ".")
		for n, subject := range []string{domain, provider, host, operator, ip} {
			if n == 0 || subject != "" {
				for _, s := range bySubject[subject] {
					count(s)
				}
			}
		}
		if reason == string(bounce.NoSuchDomain) {
			for n := range all {
				if strings.Contains(reply, all[n].Subject) {
					count(&all[n])
				}
			}
		}
		return nil
	}, some[0].StartedAt, last)
	for i := range all {
		s := &all[i]
		s.Attempts, s.Addresses, s.Domains = s.attempts, len(s.addresses), len(s.domains)
	}
	return err
}
