package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/tailer"
)

// logFile is a log that the daemon follows, or a file that rotation made of it.
type logFile struct {
	path     string
	live     bool
	source   config.Source
	readable bool
}

// files returns the live files of all sources.
func (d *examiner) files() []logFile {
	var files []logFile
	for _, s := range d.sources.List {
		if s.Path == config.Journal || tailer.IsPipe(s.Path) {
			continue
		}
		live, rotated := tailer.Files(s.Path)
		for _, path := range rotated {
			files = append(files, logFile{path: path, source: s})
		}
		for _, path := range live {
			files = append(files, logFile{path: path, live: true, source: s})
		}
	}
	for i := range files {
		files[i].readable = d.canRead(files[i].path) == nil
	}
	return files
}

func (d *examiner) canRead(path string) error {
	return d.as.do(func() error {
		f, err := openfile.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// mend is the command that lets the daemon read a file.
func (d *examiner) mend(path string) string {
	shown := d.shown(path)
	// A folder on the way that may not be entered comes first.
	for folder := filepath.Dir(path); len(folder) > len(d.root) && folder != "/"; folder = filepath.Dir(folder) {
		if d.as.do(func() error { return may(folder, unix.X_OK) }) != nil {
			return fmt.Sprintf("setfacl -m u:%s:x %s && setfacl -m u:%s:r %s", daemonUser, d.shown(folder), daemonUser, shown)
		}
	}
	return fmt.Sprintf("chgrp adm %s && chmod g+r %s, or: setfacl -m u:%s:r %s", shown, shown, daemonUser, shown)
}

func (d *examiner) checkLogs(context.Context) {
	sources := d.sources.List
	if len(sources) == 0 {
		d.say(Fail, "apt-get install rsyslog, or: postconf -e maillog_file=/var/log/mail.log, or name the log in "+config.DefaultPath,
			"there is no mail log: looked for %s", strings.Join(config.DefaultLogPaths, ", "))
		return
	}
	files := d.files()
	for _, s := range sources {
		switch {
		case s.Path == config.Journal:
			d.say(OK, "", "the journal is followed, see below")
		case tailer.IsPipe(s.Path):
			d.say(OK, "", "%s is a named pipe: what was read and not saved when the daemon is killed is lost", d.shown(s.Path))
		default:
			d.checkFilesOf(s, files)
		}
	}
	followed := make(map[string]bool)
	for _, f := range files {
		followed[f.path] = true
	}
	for _, path := range config.DefaultLogPaths {
		if info, err := os.Stat(d.at(path)); err == nil && info.Size() > 0 && !followed[d.at(path)] && !slices.Contains(d.sources.Skipped, d.at(path)) {
			d.say(Warn, "name all logs in the settings, under sources", "%s is there too, and is not followed", path)
		}
	}
}

// checkFilesOf looks at the live log of a source, and whether its rotated files may be
// read.
func (d *examiner) checkFilesOf(s config.Source, files []logFile) {
	live, barred := 0, 0
	for _, f := range files {
		switch {
		case f.source != s:
		case f.live:
			live++
			d.checkLog(f)
		case !f.readable:
			if barred++; barred == 1 {
				d.say(Warn, d.mend(f.path), "%s may not be read by %s; its failures are missing", d.shown(f.path), d.as.name)
			}
		}
	}
	if barred > 1 {
		d.say(Warn, "the same for each, see ls -l "+filepath.Dir(d.shown(s.Path)), "%s more of %s may not be read", text.Amount(barred-1, "rotated file"), d.shown(s.Path))
	}
	if live == 0 {
		d.say(Warn, "correct the path in the settings, or start the mail server", "%s does not exist; the daemon waits for it", d.shown(s.Path))
	}
}

// checkLog looks at a log that the mail server writes at present.
func (d *examiner) checkLog(f logFile) {
	shown := d.shown(f.path)
	if !f.readable && d.as.stranger() {
		d.cannotLook(shown)
		return
	}
	if !f.readable {
		d.say(Fail, d.mend(f.path), "%s may not be read by %s", shown, d.as.name)
		return
	}
	head, tail, size, err := daemon.Ends(f.path)
	if err != nil {
		d.say(Fail, "look at the disk", "%s: %v", shown, err)
		return
	}
	rotated := 0
	for _, other := range d.files() {
		if other.source == f.source && !other.live {
			rotated++
		}
	}
	if size == 0 {
		d.say(Warn, "see that the mail server logs there: logger -p mail.info test", "%s is empty (%s beside it)", shown, text.Amount(rotated, "rotated file"))
		return
	}
	seen := survey(head, tail, f.source, d.settings.JournalUIDs)
	if len(head)+len(tail) == 0 {
		d.say(Warn, "let LF end its lines, not CR alone", "%s may be read, but holds no whole line", shown)
		return
	}
	if seen.recognised == 0 {
		d.say(Warn, "is it the log of the mail server? bouncetail classify LINE shows how a line is read", "%s may be read, but holds no line of a mail server", shown)
		return
	}
	d.say(OK, "", "%s may be read by %s: %s, %s beside it; lines of %s, stamped %s",
		shown, d.as.name, megabytes(size), text.Amount(rotated, "rotated file"), strings.Join(seen.mtas, " and "), seen.stamp)
	if len(seen.unparsed) > 0 {
		d.say(Warn, "send this line to the project, without what is private in it", "%s holds delivery lines that are not parsed: %s", shown, text.Cut(seen.unparsed[0].Example, 120))
	}
}
