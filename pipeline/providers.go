package pipeline

import "strings"

// maxHosts bounds the servers whose provider is remembered. Any stranger can run one.
const maxHosts = 50_000

// providers numbers the providers of successes. Nearly all successes are of a server
// that took mail before, so the answers are remembered by host.
type providers struct {
	slugs  []string // grows; batches share it
	bySlug map[string]uint16
	byHost map[string]server
}

// server is a server that took mail.
type server struct {
	host     string // a copy
	provider uint16 // as bounce.Success has it
}

// of returns a server with its provider.
func (p *providers) of(host string, judge Classifier) server {
	if host == "" {
		return server{}
	}
	if s, known := p.byHost[host]; known {
		return s
	}
	s := server{host: strings.Clone(host)} // a substring pins the block of the log
	if slug := judge.Provider(host); slug != "" {
		if s.provider = p.bySlug[slug]; s.provider == 0 {
			p.slugs = append(p.slugs, slug)
			s.provider = uint16(len(p.slugs))
			if p.bySlug == nil {
				p.bySlug = make(map[string]uint16)
			}
			p.bySlug[slug] = s.provider
		}
	}
	if p.byHost == nil || len(p.byHost) >= maxHosts {
		p.byHost = make(map[string]server)
	}
	p.byHost[s.host] = s
	return s
}
