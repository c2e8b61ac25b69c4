package pipeline

import "strings"

// maxHosts bounds the servers whose provider is remembered. Any stranger can run one.
const maxHosts = 50_000

// providers numbers the providers of successes. Nearly all successes are of a server
// that took mail before, so the answers are remembered by host.
type providers struct {
	slugs  []string // grows; batches share it
	bySlug map[string]uint16
	byHost map[string]uint16
}

// of returns the number of the provider that a server belongs to, as bounce.Success has
// it.
func (p *providers) of(host string, judge Classifier) uint16 {
	if host == "" {
		return 0
	}
	n, known := p.byHost[host]
	if known {
		return n
	}
	if slug := judge.Provider(host); slug != "" {
		if n = p.bySlug[slug]; n == 0 {
			p.slugs = append(p.slugs, slug)
			n = uint16(len(p.slugs))
			if p.bySlug == nil {
				p.bySlug = make(map[string]uint16)
			}
			p.bySlug[slug] = n
		}
	}
	if p.byHost == nil || len(p.byHost) >= maxHosts {
		p.byHost = make(map[string]uint16)
	}
	p.byHost[strings.Clone(host)] = n // a substring pins the texts of a chunk
	return n
}
