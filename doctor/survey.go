package doctor

import (
	"bytes"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
)

// megabytes is a size for people.
type megabytes int64

func (m megabytes) String() string {
	if m < 1<<20 {
		return text.Thousands(int64(m)) + " bytes"
	}
	return text.Thousands(int64(m)>>20) + " MB"
}

// seen is what a sample of a log shows.
type seen struct {
	recognised int
	mtas       []string
	stamp      string
	last       time.Time // of the last failure or delivery
	unparsed   []bounce.Unparsed
}

func survey(head, tail []byte, source config.Source, journalUIDs []int) seen {
	var s seen
	zone, err := source.Zone()
	if err != nil {
		zone = time.Local
	}
	o := logparse.Options{Zone: zone, Anchor: time.Now(), JournalUIDs: journalUIDs}
	if source.MTA != "auto" {
		o.MTA = bounce.MTA(source.MTA)
	}
	p, err := logparse.New(o)
	if err != nil {
		return s
	}
	for _, sample := range [][]byte{head, tail} {
		p.Parse(string(sample), func(ev *bounce.Event) {
			if ev.Kind != bounce.EventAttempt {
				return
			}
			s.last = ev.At
			if !slices.Contains(s.mtas, string(ev.MTA)) {
				s.mtas = append(s.mtas, string(ev.MTA))
			}
		})
	}
	s.recognised = p.Counts().Recognised + p.Counts().Unparsed
	s.unparsed = p.TakeUnparsed()
	if len(s.mtas) == 0 {
		s.mtas = []string{"a mail server (no delivery among those looked at)"}
	}
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	s.stamp = stampForm(line)
	return s
}

// stampForm tells the form of the stamp that a line begins with.
func stampForm(line []byte) string {
	if len(line) < 20 {
		return "in an unknown form"
	}
	switch word, _, _ := bytes.Cut(line, []byte{' '}); {
	case len(word) > 19 && word[4] == '-' && word[10] == 'T':
		return "with year and zone (RFC 3339)"
	case len(word) == 10 && word[4] == '-' && bytes.ContainsAny(line[19:min(len(line), 26)], "+-"):
		return "with year and zone (Exim)"
	case len(word) == 10 && word[4] == '-':
		return "without a zone (Exim)"
	case len(word) == 3:
		return "without year and zone (RFC 3164)"
	case len(word) > 10 && word[10] == '.':
		return "in Unix seconds"
	}
	return "in an unknown form"
}
