package config

import (
	"fmt"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func (i *Incidents) check(bad report) {
	if !slices.Contains(Sensitivities, i.Sensitivity) {
		bad("incidents.sensitivity", "%q is not one of %s", i.Sensitivity, strings.Join(Sensitivities, ", "))
	}
	if i.Addresses < 1 {
		bad("incidents.addresses", "%d is less than 1", i.Addresses)
	}
	if i.Gap < time.Minute || i.Gap > 24*time.Hour {
		bad("incidents.gap", "%v is not between a minute and a day", i.Gap)
	}
	names := make(map[string]bool)
	for n := range i.Channels {
		c := &i.Channels[n]
		key := fmt.Sprintf("incidents.channels[%d]", n)
		c.check(key, bad)
		if names[c.Name] {
			bad(key+".name", "%q is the name of another one, too", c.Name)
		}
		names[c.Name] = true
	}
}

func (c *Channel) check(key string, bad report) {
	if !hookName.MatchString(c.Name) {
		bad(key+".name", "%q is no name; use letters, digits, - and _", c.Name)
	}
	if !slices.Contains(ChannelKinds, c.Kind) {
		bad(key+".kind", "%q is not one of %s", c.Kind, strings.Join(ChannelKinds, ", "))
		return
	}
	c.checkDestination(key, bad)
	if c.Secret != "" && c.SecretFile != "" {
		bad(key+".secret_file", "there is a secret, too; give one of them")
	}
	if c.Token != "" && c.TokenFile != "" {
		bad(key+".token_file", "there is a token, too; give one of them")
	}
	if c.Kind == "gotify" && c.Token == "" && c.TokenFile == "" {
		bad(key+".token_file", "gotify wants token or token_file of an application")
	}
	if c.Again != 0 && (c.Again < time.Hour || c.Again > 366*24*time.Hour) {
		bad(key+".again", "%v is not between an hour and a year (8784h)", c.Again)
	}
	for _, kind := range c.Kinds {
		if !slices.Contains(IncidentKinds, kind) {
			bad(key+".kinds", "%q is not one of %s", kind, strings.Join(IncidentKinds, ", "))
		}
	}
}

// checkDestination reports what is wrong with where a channel sends to.
func (c *Channel) checkDestination(key string, bad report) {
	switch c.Kind {
	case "mail":
		if len(c.To) == 0 {
			bad(key+".to", "is empty; name an address")
		}
		for n, address := range c.To {
			if _, err := mail.ParseAddress(address); err != nil {
				bad(fmt.Sprintf("%s.to[%d]", key, n), "%q is not an address", address)
			}
		}
	case "command":
		if len(c.Command) == 0 || !filepath.IsAbs(c.Command[0]) {
			bad(key+".command", "does not begin with the absolute path of a program")
		}
	default:
		// A wrong URL is not shown: it may hold a token.
		if at, err := url.Parse(c.URL); err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
			bad(key+".url", "is no http:// or https:// address")
		}
	}
}
