package classify

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// url returns the first URL of a reply that begins with http:// or https://. It
// runs for each reply with a URL, so it uses no expression.
func url(text string) string {
	for from := 0; ; {
		at := strings.Index(text[from:], "://")
		if at < 0 {
			return ""
		}
		at += from
		from = at + len("://")
		var start int
		switch {
		case at >= 5 && text[at-5:at] == "https":
			start = at - 5
		case at >= 4 && text[at-4:at] == "http":
			start = at - 4
		default:
			continue
		}
		end := from
		for end < len(text) && text[end] > ' ' && strings.IndexByte("<>\"'|\\", text[end]) < 0 {
			end++
		}
		if end > from {
			return strings.TrimRight(text[start:end], ".,;:)]}")
		}
	}
}

// blocklistZones are the domains of blocklists, and blocklistMakers names of those who make
// them, as expressions.
var (
	blocklistZones = []string{
		"spamhaus.org", "spamhaus.net", "spamcop.net", "barracudacentral.org", "sorbs.net", "uceprotect.net", "surbl.org",
		"uribl.com", "abuseat.org", "mailspike.net", "mailspike.org", "junkemailfilter.com", "surriel.com",
		"invaluement.com", "manitu.net", "s5h.net", "dronebl.org", "sem.org", "spameatingmonkey.net", "nether.net",
		"blocklist.de", "gbudb.net", "senderscore.com", "backscatterer.org", "swinog.ch", "0spam.org", "nordspam.com",
		"spamrats.com", "mail-abuse.com", "kundenserver.de", "cloudmark.com", "interserver.net", "imp.ch", "wpbl.info",
		"hostkarma.com", "spfbl.net", "abusix.zone",
	}
	blocklistMakers = []string{
		"spamhaus", "spamcop", "sorbs", "uceprotect", "barracuda reputation", "trend micro rbl\\+?", "surbl", "uribl",
		"cloudmark", "invaluement", "senderscore", "proofpoint", "abusix", "mailspike", "spamrl",
	}
)

// blocklistNames finds the zone of a blocklist, the first group, or its maker.
var blocklistNames = mustCompile(`\b([a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:` + strings.ReplaceAll(strings.Join(blocklistZones, "|"), ".", `\.`) + `))\b|` +
	`\b(` + strings.Join(blocklistMakers, "|") + `)\b`)

// usedList finds the name in the wording of Postfix and its kin: "blocked using
// bl.example.org", which no list of names can keep up with.
var usedList = mustCompile(`(?:blocked|rejected|listed|refused|found) (?:using|by|in|at|on) (?:the )?` +
	`([a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:[a-z-]{2,}))\b`)

// blocklist returns the name of the blocklist that a folded text speaks of.
func blocklist(text string, has *trigrams) string {
	if m := usedList.groups(text, has); m != nil && oneof.Contains(m[1], "bl.", "dns", "rbl", "list") {
		return m[1]
	}
	if !blocklistNames.possible(text, has) {
		return ""
	}
	maker := ""
	for _, m := range blocklistNames.re.FindAllStringSubmatch(text, -1) {
		if zone := m[1]; zone != "" && !oneof.HasPrefix(zone, "www.", "check.", "lookup.", "ipcheck.") {
			return zone
		}
		if maker == "" {
			maker = m[2]
		}
	}
	return maker
}

// wait finds how long a server asks to wait:
//
//	450 4.2.0 Greylisted, please try again in 300 seconds
//	451 4.7.1 Try again later, retry in 00:04:59
var wait = lazyre.New(`(?i)\b(?:in|after|for|wait|within|least|delay(?:ed)?(?: of)?|retry:?|come back in|=) ?` +
	`(?:about |another |at least |approximately |next )?` +
	`(?:(\d{1,2}):(\d\d):(\d\d)|(\d{1,6}) ?-?(` + strings.Join(waitUnits, "|") + `)\b)`)

// waitUnits are the words for a second, a minute and an hour.
var waitUnits = []string{
	"s", "secs", "sec", "seconds", "second", "sekunden", "secondes", "seconde", "segundos",
	"m", "mins", "min", "minutes", "minute", "minuten", "minutos",
	"h", "hrs", "hr", "hours", "hour", "stunden", "heures", "heure", "horas",
}

// mayNameWait turns away most texts; what it lets through, wait reads.
func mayNameWait(text string) bool {
	return strings.Contains(text, "#") && oneof.Contains(text, "sec", "min", "hour", "sek", "seg", "#s", "#:#:#", "retry", "stund")
}

// waitIn returns the groups of the first wait in a text, by their numbers: those
// of a clock, or 4 and 5, a number and its unit. The expression is only asked
// where one of the two stands, and not behind the most usual word.
func waitIn(text string) (groups [6]string) {
	const words = len("come back in approximately ")
	for at := 0; at < len(text); at++ {
		if !digit[text[at]] {
			continue
		}
		from := at
		for at < len(text) && digit[text[at]] {
			at++
		}
		if isClock(text[at:]) {
			return askedFrom(text, from-words)
		}
		switch unit, known := unitOf(text[at:]); {
		case !known:
			return askedFrom(text, from-words)
		case unit == "":
		case at-from <= 6 && strings.HasSuffix(text[:from], " in "):
			return [6]string{4: text[from:at], 5: unit}
		default:
			return askedFrom(text, from-words)
		}
	}
	return groups
}

// askedFrom asks the expression from a place on, or from a little before: not
// within a word, so that \b means there what it means in the whole text.
func askedFrom(text string, at int) (groups [6]string) {
	for at > 0 && (alnum[text[at-1]] || text[at-1] == '_') {
		at--
	}
	if m := wait.FindStringSubmatch(text[max(at, 0):]); m != nil {
		copy(groups[1:], m[1:])
	}
	return groups
}

// isClock reports whether what follows a number may make a clock of it.
func isClock(rest string) bool {
	return len(rest) >= len(":59:59") && rest[0] == ':' && rest[3] == ':'
}

// unitOf returns the word behind a number where it is a unit. It does not know
// where that has letters beyond ASCII, some of which count as s and k.
func unitOf(rest string) (unit string, known bool) {
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, " "), "-")
	end := 0
	for end < len(rest) && (alnum[rest[end]] || rest[end] == '_') {
		end++
	}
	if end < len(rest) && rest[end] >= utf8.RuneSelf {
		return "", false
	}
	if end == 0 || strings.IndexByte("smh", rest[0]|0x20) < 0 {
		return "", true
	}
	for _, u := range waitUnits {
		if strings.EqualFold(rest[:end], u) {
			return rest[:end], true
		}
	}
	return "", true
}

// retryAfter returns how long the reply asks to wait, and 0 where it does not
// say or says more than a week, which is no request but a record.
func retryAfter(text string) time.Duration {
	m := waitIn(text)
	if m == [6]string{} {
		return 0
	}
	number := func(i int) time.Duration {
		n, _ := strconv.Atoi(m[i]) // digits alone
		return time.Duration(n)
	}
	var d time.Duration
	if m[4] == "" {
		d = number(1)*time.Hour + number(2)*time.Minute + number(3)*time.Second
	} else {
		unit := time.Second
		switch name := strings.ToLower(m[5]); {
		case name[0] == 'm':
			unit = time.Minute
		case name[0] == 'h', strings.HasPrefix(name, "stund"):
			unit = time.Hour
		}
		d = number(4) * unit
	}
	if d > 7*24*time.Hour {
		return 0
	}
	return d
}
