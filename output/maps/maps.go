package maps

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"

	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Map is a kind of map.
type Map struct {
	Name string // as in the settings
	File string // within the directory
	// Use says how a mail server uses the map, in lines; %s is the path.
	Use string
	// entry returns the line for an address in a text file; nil is SQLite.
	entry func(p *Publisher, key, said string) string
}

// Maps are the maps that can be written.
var Maps = []Map{
	{
		"sqlite", "suppressed.db", "Postfix: check_recipient_access proxy:sqlite:/etc/postfix/bouncetail.cf\n" +
			"with, in that file: dbpath = %s\n" +
			"Exim: ${lookup sqlite,file=%s {…}}", nil,
	},
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

// usesOf returns the lines that say how a mail server uses the map at a path.
func (m *Map) usesOf(path string) []string {
	return strings.Split(strings.ReplaceAll(m.Use, "%s", path), "\n")
}

// access begins an action of access(5).
func (p *Publisher) access() string {
	if p.Warn {
		return "WARN "
	}
	return "REJECT "
}

// transport begins a result of transport(5): the next hop of the error mailer is a
// text with an enhanced code. It cannot warn.
func (p *Publisher) transport() string {
	if p.Warn {
		return ""
	}
	return "error:"
}

// file is a map that is being written, next to the one that it replaces.
type file struct {
	*Publisher
	Map
	path  string
	out   *atomicfile.File
	text  *bufio.Writer
	table *sqliteMap

	entries int
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
		return nil, fmt.Errorf("there is no map %q; there are %s", name, strings.Join(names(), ", "))
	}
	m.path = filepath.Join(p.Dir, m.File)
	if err := m.checkOld(); err != nil {
		return nil, err
	}
	m.out, err = atomicfile.Create(m.path, mapMode)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%w; run as the user that owns the directory", err)
	}
	if err != nil {
		return nil, err
	}
	about := m.about()
	if m.entry == nil {
		if m.table, err = newSQLiteMap(ctx, m.out.Name(), about, p.access(), p.transport()); err != nil {
			m.discard()
			return nil, err
		}
		return m, nil
	}
	m.text = bufio.NewWriterSize(m.out, 1<<16)
	for _, line := range about {
		fmt.Fprintf(m.text, "# %s\n", line) // seal reports an error
	}
	return m, nil
}

// checkOld returns an error if the file that would be replaced is no map of bouncetail,
// such as the admin's own /etc/postfix/access.
func (m *file) checkOld() error {
	old, err := os.Open(m.path)
	if err != nil {
		return nil //nolint:nilerr // there is none, or the writing fails too
	}
	defer old.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(old, head) // what cannot be read is not a map
	ours := []byte("bouncetail")   // in the header
	if m.entry == nil {
		ours = []byte(sqldb.FileHeader)
	}
	if n > 0 && !bytes.Contains(head[:n], ours) {
		return fmt.Errorf("%s was not written by bouncetail; name a separate directory in publish.directory", m.path)
	}
	return nil
}

// mapMode lets the mail server's user read the maps.
const mapMode = 0o644

// about is the header of a file.
func (m *file) about() []string {
	lines := append([]string{
		"Addresses that bouncetail considers bad, written by " + m.MadeBy + " publish,",
		m.now().UTC().Format(time.RFC3339) + ". Changes by hand are overwritten; see docs/mta.md.",
	}, m.usesOf(m.path)...)
	if m.Warn {
		lines = append(lines, "Monitor mode: Postfix only warns, and the transport map is empty.")
	}
	return lines
}

func (m *file) add(ctx context.Context, key, said string) error {
	if m.table == nil {
		n, err := m.text.WriteString(m.entry(m.Publisher, key, said))
		m.entries += min(n, 1)
		return err
	}
	m.entries++
	return m.table.add(ctx, key, said)
}

// seal ends the file and syncs it.
func (m *file) seal() error {
	var err error
	if m.table != nil {
		err = m.table.close()
		m.table = nil
	} else {
		err = m.text.Flush()
	}
	// An older map may have had another mode.
	return errors.Join(err, m.out.Chmod(mapMode), m.out.Sync())
}

// discard removes what was not committed.
func (m *file) discard() {
	if m.table != nil {
		_ = m.table.discard() // the file is removed anyway
	}
	_ = m.out.Abort() // the next run removes leftovers
}

func (m *file) exists() bool {
	_, err := os.Stat(m.path)
	return err == nil
}

// names returns the names of all maps.
func names() []string {
	var names []string
	for _, m := range Maps {
		names = append(names, m.Name)
	}
	return names
}

// holdable reports whether an address is unambiguous in every map. A key
// without a local part or a domain would be a whole domain or a user at every
// domain in access(5), and mail servers look up quoted local parts in different
// ways. Postfix folds the case of keys, and more than that: "straße" becomes
// "strasse", and a Kelvin sign becomes k. Such a key would match another address.
func holdable(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 || len(address) > 320 || folded(address) != address {
		return false
	}
	return !strings.ContainsFunc(address, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`"\<>`, r)
	})
}

// folded returns an address as Postfix folds it (RFC 6530 servers use the case
// folding of Unicode).
func folded(address string) string {
	for i := range len(address) {
		if address[i] >= utf8.RuneSelf {
			return cases.Fold().String(address)
		}
	}
	return address // is in lower case
}

// postfixKey quotes a key where a line that begins with it would be a comment
// (postmap(1); double quotes need Postfix 3.2).
func postfixKey(key string) string {
	if key[0] == '#' {
		return `"` + key + `"`
	}
	return key
}

// eximKey quotes a key that lsearch would end too early or treat as a comment
// (Exim specification, 9.3).
func eximKey(key string) string {
	if key[0] == '#' || strings.ContainsRune(key, ':') {
		return `"` + key + `"`
	}
	return key
}
