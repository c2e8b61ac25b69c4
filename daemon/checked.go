package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/tailer"
)

// Checked is what the settings result in on this machine. Its JSON shows no secret.
type Checked struct {
	Good     bool            `json:"good"`
	Errors   []string        `json:"errors"`
	Warnings []string        `json:"warnings"`
	Database string          `json:"database"`
	Sources  []settledSource `json:"sources"` // those that are followed
	Privacy  settledPrivacy  `json:"privacy"`
	Publish  settledPublish  `json:"publish"`
	Webhooks []settledHook   `json:"webhooks"`
}

type settledSource struct {
	Path     string `json:"path"`
	MTA      string `json:"mta"`
	Timezone string `json:"timezone"`
}

type settledPrivacy struct {
	HashAddresses bool   `json:"hash_addresses"`
	KeyFile       string `json:"key_file"`
}

type settledPublish struct {
	From      string   `json:"from"`
	Directory string   `json:"directory"` // empty: no maps are written
	Maps      []string `json:"maps"`
	Action    string   `json:"action"`
}

type settledHook struct {
	Name   string `json:"name"`
	Host   string `json:"host"`
	Kind   string `json:"kind"`
	Signed bool   `json:"signed"`
}

// CheckOptions choose what Check does about webhooks.
type CheckOptions struct {
	Reach   bool // warn of those that cannot be reached
	Test    bool // send each a request that changes nothing
	Version string
	Log     *slog.Logger
}

// Check checks settings and rules. The error of loading the settings is given; Check
// adds the others and returns all.
func Check(ctx context.Context, c config.Config, err error, o CheckOptions) (*Checked, error) {
	// If the settings are broken, these are the rules of the default folder.
	if _, bad := classify.New(c.Rules); bad != nil {
		err = errors.Join(err, &config.Error{Err: fmt.Errorf("rules:\n  %s", strings.ReplaceAll(bad.Error(), "\n", "\n  "))})
	}
	s := describe(c)
	if err == nil {
		s.Warnings = warnings(c)
		if err = errors.Join(checkKey(ctx, c), checkDatabase(ctx, c.Database), checkChannels(c), s.checkHooks(ctx, c, &o)); err != nil {
			err = &config.Error{Err: err}
		} else if o.Test {
			err = testHooks(ctx, c, &o)
		}
	}
	if s.Good = err == nil; !s.Good {
		s.Errors = errorsIn(err)
	}
	return &s, err
}

// checkDatabase returns an error if the path of the database leads to something that the
// daemon does not open: another file, or the database of a newer version.
func checkDatabase(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() && info.Size() == 0 {
		return nil //nolint:nilerr // the daemon creates it, and there is a warning if it cannot
	}
	if other := openfile.CheckRegular(path, info); other != nil {
		return fmt.Errorf("database: %w", other)
	}
	err = dbfile.CheckUsable(ctx, path)
	if errors.Is(err, os.ErrPermission) {
		return nil // for this user, perhaps not for the daemon
	}
	return err
}

func describe(c config.Config) Checked {
	// Lists that are empty are so in JSON, too.
	s := Checked{Errors: []string{}, Warnings: []string{}, Sources: []settledSource{}, Webhooks: []settledHook{}}
	s.Database = c.Database
	for _, source := range c.Resolve(ThisMachine("")).List {
		s.Sources = append(s.Sources, settledSource{source.Path, cmp.Or(source.MTA, "auto"), cmp.Or(source.Timezone, "local")})
	}
	s.Privacy = settledPrivacy(c.Privacy)
	s.Publish = settledPublish{c.Publish.From, c.Publish.Directory, c.Publish.Maps, c.Publish.Action}
	return s
}

// Print describes good settings.
func (s *Checked) Print(out, remarks io.Writer) error {
	fmt.Fprintln(out, "database:", text.Printable(s.Database))
	if len(s.Sources) == 0 {
		fmt.Fprintln(out,
			"sources:  none found; run follows, of these, what holds lines of a mail server:",
			strings.Join(config.DefaultLogPaths, ", "),
		)
	}
	for _, source := range s.Sources {
		fmt.Fprintf(out, "source:   %s (%s)\n", text.Printable(source.Path), source.MTA)
	}
	if s.Privacy.HashAddresses {
		fmt.Fprintln(out, "privacy:  addresses are hashed, with the key in", text.Printable(s.Privacy.KeyFile))
	}
	if s.Publish.Directory != "" {
		from := map[string]string{"fleet": ", from the fleet; bouncetail-fleet.service writes them"}[s.Publish.From]
		fmt.Fprintf(out, "publish:  %s (%s), %s%s\n",
			text.Printable(s.Publish.Directory), strings.Join(s.Publish.Maps, ", "), s.Publish.Action, from)
	}
	for _, w := range s.Webhooks {
		signed := map[bool]string{true: "signed", false: "not signed"}[w.Signed]
		fmt.Fprintf(out, "webhook:  %s at %s (%s, %s)\n", w.Name, w.Host, w.Kind, signed)
	}
	if len(s.Webhooks) > 0 {
		fmt.Fprintln(out, "          under systemd these need the network: the drop-in webhooks.conf opens it, see docs/webhooks.md")
	}
	for _, w := range s.Warnings {
		fmt.Fprintln(remarks, "warning:", text.Printable(w))
	}
	_, err := fmt.Fprintln(out, "The settings are good.")
	return err
}

// errorsIn returns the problems that an error names on separate lines, each
// behind the heading that it stands below.
func errorsIn(err error) []string {
	var all []string
	heading := ""
	for line := range strings.SplitSeq(err.Error(), "\n") {
		switch text := strings.TrimSpace(line); {
		case text == "":
		case !strings.HasPrefix(line, " ") && strings.HasSuffix(text, ":"):
			heading = text + " "
		case !strings.HasPrefix(line, " "):
			heading = ""
			all = append(all, text)
		default:
			all = append(all, heading+text)
		}
	}
	return all
}

// warnings describes what may be wrong on this machine, and may become right.
func warnings(c config.Config) []string {
	all := []string{}
	warn := func(key, format string, args ...any) {
		all = append(all, key+": "+fmt.Sprintf(format, args...))
	}
	absolute := func(key, path string) {
		if path != "" && !filepath.IsAbs(path) {
			warn(key, "%s is relative to the directory in which the program starts, which is / under systemd; write the whole path", path)
		}
	}
	if problem := config.LocalZoneProblem(); problem != "" {
		all = append(all, problem)
	}
	absolute("database", c.Database)
	absolute("rules", c.Rules)
	if folder := filepath.Dir(c.Database); !isFolder(folder) {
		warn("database", "the folder %s does not exist", folder)
	}
	var logs seenFiles
	for i, s := range c.Sources {
		if s.Path == tailer.JournalPath || tailer.IsPipe(s.Path) {
			continue
		}
		key := fmt.Sprintf("sources[%d].path", i)
		absolute(key, s.Path)
		live, _ := tailer.Files(s.Path)
		if isFolder(s.Path) {
			warn(key, "%s is a directory, which is not followed; name the logs in it, such as %s", s.Path, filepath.Join(s.Path, "*.log"))
		} else if len(live) == 0 {
			warn(key, "%s does not exist; it is followed once it does", s.Path)
		}
		for _, path := range live {
			if of, as := logs.add(i, path); of < i {
				warn(key, "%s is the same file as %s of sources[%d], whose mta and timezone hold; each line counts once", path, as, of)
				break // one is enough, if a glob has many
			}
		}
	}
	if c.Rules != "" && c.Rules != config.Default().Rules && !isFolder(c.Rules) {
		warn("rules", "the folder %s does not exist", c.Rules)
	}
	return slices.Concat(all, channelWarnings(c), webWarnings(c.Web), fleetWarnings(c.Fleet))
}

// seenFiles are the files that sources name, which may be the same under other names: of a
// symbolic link, a hard link, or two globs.
type seenFiles []struct {
	source int
	path   string
	info   os.FileInfo
}

// add adds a file of a source. It returns the first source that names it, and how.
func (f *seenFiles) add(source int, path string) (first int, as string) {
	info, err := os.Stat(path)
	if err != nil {
		return source, path
	}
	for _, seen := range *f {
		if os.SameFile(seen.info, info) {
			return seen.source, seen.path
		}
	}
	*f = append(*f, seenFiles{{source, path, info}}...)
	return source, path
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkHooks adds the webhooks. With Reach it warns of those that cannot be reached
// from here.
func (s *Checked) checkHooks(ctx context.Context, c config.Config, o *CheckOptions) error {
	var errs []error
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		h, err := Hook(w, o.Version, o.Log)
		if err != nil {
			errs = append(errs, fmt.Errorf("webhooks[%d]: %w", i, err))
			continue
		}
		s.Webhooks = append(s.Webhooks, settledHook{w.Name, hostOf(w), w.Kind, h.Secret != "" || h.SigningKey != nil})
		if !o.Reach {
			continue
		}
		if err := h.Reach(ctx); err != nil {
			s.Warnings = append(s.Warnings, fmt.Sprintf("webhook %s cannot be reached from here: %v", w.Name, err))
		}
	}
	return errors.Join(errs...)
}

// testHooks sends each webhook a request that changes nothing.
func testHooks(ctx context.Context, c config.Config, o *CheckOptions) error {
	var errs []error
	for i := range c.Webhooks {
		h, err := Hook(&c.Webhooks[i], o.Version, o.Log)
		if err == nil {
			err = h.Test(ctx)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("webhook %s: %w", c.Webhooks[i].Name, err))
		}
	}
	return errors.Join(errs...)
}
