package recipient

const (
	// A crowd of so many addresses in so many domains needs littleShare of all
	// deliveries only, if that is manyTimes the share of all other refusals.
	manyAddresses = 50
	manyDomains   = 10
	littleShare   = 0.05
	manyTimes     = 3
)

// severalPass judges a unit with several domains. The deliveries to domains without
// a refusal are not known, so the share is estimated in two ways. Each is too low
// rather than too high.
//
//   - Of the addresses in the domains with a refusal, leaving that refusal out, how
//     many were refused as well?
//   - Of all deliveries, to whatever domain, how many were refused by this unit?
//
// The domain with most refusals is left out: it is a separate unit, and one domain
// alone must not make others suspect.
func (w *counts) severalPass(from, to Slot) bool {
	if len(w.of) < w.Limits.Domains {
		return false
	}
	if w.recentPass(from, to) {
		return true
	}
	top := int32(-1)
	for domain, n := range w.of {
		// By name if equal: the numbers depend on the stretch of time.
		if top < 0 || n > w.of[top] || n == w.of[top] && w.domains[domain] < w.domains[top] {
			top = domain
		}
	}
	n := w.n - w.of[top]
	if n < w.Limits.Addresses {
		return false
	}
	all, _ := w.Traffic.All()
	sent := all.Between(from, to)
	lowest := share(n, sent)
	if pass := lowest >= w.share(w.unit, n); pass || w.tier == ever {
		return pass
	}
	refused := 0
	for domain, k := range w.of {
		if domain != top && k > 1 {
			refused += k * (k - 1)
		}
	}
	if refused > 0 && w.leftOut(refused, top, w.share(w.unit, n), from, to) {
		return true
	}
	return n >= manyAddresses && len(w.of) > manyDomains && lowest >= littleShare &&
		lowest >= manyTimes*share(w.All(from, to)-w.refused, sent)
}

const (
	// mostOfThem is the share of the deliveries to the domains with a refusal that must be
	// refused as well.
	mostOfThem = 0.6
	// recentPart is the part of the usual least share that passes by recentPass: 1 % of all
	// deliveries. Of the addresses that accepted a weekly newsletter, fewer cease to exist
	// until the next one.
	recentPart = 0.1
)

// recentPass judges a unit with many domains of a few addresses, among much other mail.
// Neither estimate of severalPass shows its outage. But addresses that accepted mail in
// the last days cease to exist so seldom that those of several domains do not do so
// together.
func (w *counts) recentPass(from, to Slot) bool {
	return w.recentPassOf(withinWeek, from, to) || w.recentPassOf(withinDays, from, to)
}

func (w *counts) recentPassOf(t *tier, from, to Slot) bool {
	if len(w.youngest) < w.fewestRecent(t) {
		return false
	}
	n := 0
	for _, age := range w.youngest {
		if age <= t.within.Milliseconds() {
			n++
		}
	}
	all, _ := w.Traffic.All()
	if n < w.fewestRecent(t) || share(n, all.Between(from, to)) < w.recentShare(t, n) {
		return false
	}
	sent := 0
	for domain := range w.of {
		sent += w.Traffic.Domain(w.domains[domain]).Between(from, to)
	}
	return share(w.n, sent) >= mostOfThem
}

// fewestRecent is the least number of domains that pass by recentPass.
func (g *group) fewestRecent(t *tier) int {
	if t == withinDays {
		return g.Limits.Addresses
	}
	return 2 * g.Limits.Addresses
}

// recentShare is the least share of all deliveries that so many domains must make up.
func (g *group) recentShare(t *tier, n int) float64 {
	return recentPart * float64(t.within) / float64(withinWeek.within) * g.share(g.unit, n)
}

// leftOut reports whether the refused addresses make up a share of the others in
// their domains, but for one domain. It stops at the first domain that decides: to
// load the deliveries of all takes long.
func (w *counts) leftOut(refused int, but int32, share float64, from, to Slot) bool {
	others := 0
	for domain, k := range w.of {
		if domain == but {
			continue
		}
		others += k * (k - 1 + w.Traffic.Domain(w.domains[domain]).Between(from, to))
		if float64(refused) < share*float64(others) {
			return false
		}
	}
	return true
}
