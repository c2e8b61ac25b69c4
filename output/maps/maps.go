package maps

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"
)

// Map is a kind of map.
type Map struct {
	Name string // as in the settings
	File string // within the folder
	// Use tells how a mail server is made to look there; %s is the path.
	Use string
	// entry returns the line for an address in a text file; nil is SQLite.
	entry func(p *Publisher, key, said string) string
}

// Maps are the maps that can be written.
var Maps = []Map{
	{"sqlite", "suppressed.db", "Postfix: check_recipient_access proxy:sqlite:/etc/postfix/bouncetail.cf, with dbpath = %s; Exim: ${lookup sqlite,file=%[1]s {…}}", nil},
	{"access", "access", "Postfix: check_recipient_access texthash:%s", func(p *Publisher, key, said string) string {
		return postfixKey(key) + "\t" + p.access() + said + "\n"
	}},
	{"transport", "transport", "Postfix, for mail by sendmail(1) too: transport_maps = texthash:%s", func(p *Publisher, key, said string) string {
		if p.transport() == "" {
			return ""
		}
		return postfixKey(key) + "\t" + p.transport() + said + "\n"
	}},
	{"exim", "exim", "Exim: ${lookup{${lc:$local_part@$domain}}lsearch{%s}}", func(_ *Publisher, key, said string) string {
		return eximKey(key) + ": " + said + "\n"
	}},
}

// access begins an action of access(5).
func (p *Publisher) access() string {
	if p.Warn {
		return "WARN "
	}
	return "REJECT "
}

// transport begins a result of transport(5): the error mailer takes a text with
// an enhanced code for its next hop. It has no way to warn.
func (p *Publisher) transport() string {
	if p.Warn {
		return ""
	}
	return "error:"
}

// Table is a SQLite map that is being made.
type Table interface {
	// Add adds an address, and what is said of it.
	Add(ctx context.Context, address, said string) error
	// Close ends the file and sees it to the disk.
	Close() error
	Discard() error
}

// file is a map that is being written beside the one that it replaces.
type file struct {
	*Publisher
	Map
	path, beside string
	text         *bufio.Writer
	out          *os.File
	table        Table
	done         bool
}

// begin begins the map of a name.
func (p *Publisher) begin(ctx context.Context, name string) (_ *file, err error) {
	m := &file{Publisher: p}
	for _, kind := range Maps {
		if kind.Name == name {
			m.Map = kind
		}
	}
	if m.Name == "" {
		return nil, fmt.Errorf("there is no map %q; there are %s", name, strings.Join(Names(), ", "))
	}
	m.path = filepath.Join(p.Dir, m.File)
	m.out, err = os.CreateTemp(p.Dir, temporary+m.File+"-")
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%w; run as the user that owns the folder", err)
	}
	if err != nil {
		return nil, err
	}
	m.beside = m.out.Name()
	about := m.about()
	if m.entry == nil {
		if m.table, err = p.NewTable(ctx, m.beside, about, p.access(), p.transport()); err != nil {
			m.discard()
			return nil, err
		}
		return m, nil
	}
	m.text = bufio.NewWriterSize(m.out, 1<<16)
	for _, line := range about {
		fmt.Fprintf(m.text, "# %s\n", line) // finish reports an error
	}
	return m, nil
}

// about is the header of a file.
func (m *file) about() []string {
	lines := []string{
		"Addresses that bouncetail holds to be bad: made by " + m.MadeBy + " publish,",
		m.now().UTC().Format(time.RFC3339) + ". Changes by hand are overwritten; see docs/mta.md.",
		fmt.Sprintf(m.Use, m.path),
	}
	if m.Warn {
		lines = append(lines, "Monitor mode: Postfix is told to warn only, and the transport map is empty.")
	}
	return lines
}

func (m *file) add(ctx context.Context, key, said string) error {
	if m.table == nil {
		_, err := m.text.WriteString(m.entry(m.Publisher, key, said))
		return err
	}
	return m.table.Add(ctx, key, said)
}

// seal ends the file and sees it to the disk.
func (m *file) seal() error {
	var err error
	if m.table != nil {
		err = m.table.Close()
		m.table = nil
	} else {
		err = errors.Join(m.text.Flush(), m.out.Sync())
	}
	// Whatever the umask: the mail server's user reads it.
	return errors.Join(err, m.out.Chmod(0o644))
}

// place puts the file in the place of the old one.
func (m *file) place() error {
	if err := os.Rename(m.beside, m.path); err != nil {
		return err
	}
	m.done = true
	return m.out.Close()
}

// discard removes what was not finished.
func (m *file) discard() {
	if m.done {
		return
	}
	if m.table != nil {
		_ = m.table.Discard() // the file goes anyway
	}
	m.out.Close()
	os.Remove(m.beside)
}

func (m *file) exists() bool {
	_, err := os.Stat(m.path)
	return err == nil
}

// Names returns the names of Maps.
func Names() []string {
	var names []string
	for _, m := range Maps {
		names = append(names, m.Name)
	}
	return names
}

// holdable reports whether a map can hold an address without doubt of what it
// then means. A key without a local part or a domain would be a whole domain or
// a user at every domain in access(5); and how a quoted local part is looked up
// differs from server to server.
func holdable(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 || len(address) > 320 {
		return false
	}
	return !strings.ContainsFunc(address, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`"\<>`, r)
	})
}

// spellings returns the address in the spellings in which it is looked up. A
// mail server takes a domain as it comes and does not convert it: as A-labels,
// or from an SMTPUTF8 client as U-labels, in lower case.
func spellings(address string) []string {
	at := strings.LastIndexByte(address, '@')
	local, domain := address[:at], address[at+1:]
	if !strings.Contains(domain, "xn--") {
		return []string{address}
	}
	unicode, err := idna.Lookup.ToUnicode(domain)
	if err != nil || unicode == domain || strings.ContainsAny(unicode, "ßς") {
		// Postfix folds these two to other letters, which may be the domain of
		// somebody else.
		return []string{address}
	}
	return []string{address, local + "@" + unicode}
}

// postfixKey quotes a key where a line that begins with it would be a comment
// (postmap(1); double quotes need Postfix 3.2).
func postfixKey(key string) string {
	if key[0] == '#' {
		return `"` + key + `"`
	}
	return key
}

// eximKey quotes a key that lsearch would end too early or take for a comment
// (Exim specification, 9.3).
func eximKey(key string) string {
	if key[0] == '#' || strings.ContainsRune(key, ':') {
		return `"` + key + `"`
	}
	return key
}
