package config

import (
	"os"
	"strings"
	"time"
)

// Fleet is the PostgreSQL database that this host shares with others.
type Fleet struct {
	// DSN is its address; DSNFile holds it instead. Both empty is no fleet.
	DSN     Secret `mapstructure:"dsn"`
	DSNFile string `mapstructure:"dsn_file"`
	// Instance is the name of this host; empty is that of the machine.
	Instance string `mapstructure:"instance"`
	// Replies says whether replies, senders, message IDs and queue IDs are sent.
	Replies bool `mapstructure:"replies"`
	// MaxLag is for how long pruning keeps failures for a fleet that is away.
	MaxLag time.Duration `mapstructure:"max_lag"`
	// Decisions says whether decisions, releases and forgetting of other hosts hold here.
	Decisions bool `mapstructure:"decisions"`
}

// Configured reports whether there is a fleet.
func (f *Fleet) Configured() bool { return f.DSN != "" || f.DSNFile != "" }

// useEnvironment drops the address of the file if the environment has another one, in
// whichever of the two settings.
func (f *Fleet) useEnvironment() {
	inEnvironment := func(key string) bool { return os.Getenv(variable(key)) != "" }
	switch dsn, file := inEnvironment("fleet.dsn"), inEnvironment("fleet.dsn_file"); {
	case dsn && !file:
		f.DSNFile = ""
	case file && !dsn:
		f.DSN = ""
	}
}

func (f *Fleet) check(bad report) {
	if f.DSN != "" && f.DSNFile != "" {
		bad("fleet.dsn_file", "there is a dsn, too; give one of them")
	}
	if f.MaxLag < 0 {
		bad("fleet.max_lag", "%v is negative; write 0s to wait for nothing", f.MaxLag)
	}
	if len(f.Instance) > 100 || strings.ContainsFunc(f.Instance, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("fleet.instance", "%q is no name; use up to 100 letters, digits and signs of ASCII, such as the name of the host", f.Instance)
	}
}
