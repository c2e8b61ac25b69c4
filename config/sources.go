package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/openfile"
)

// Journal is the path of a source that stands for the machine's journal.
const Journal = "journal"

// DefaultLogPaths are the logs that mail servers write by default: on Debian and
// its relatives, on Red Hat and its relatives, with cPanel, with DirectAdmin and
// on FreeBSD.
var DefaultLogPaths = []string{
	"/var/log/mail.log",
	"/var/log/maillog",
	"/var/log/exim4/mainlog",
	"/var/log/exim/main.log",
	"/var/log/exim_mainlog",
	"/var/log/exim/mainlog",
}

// Machine is what Resolve has to know about the machine.
type Machine struct {
	Root string // "" is this machine; else a directory that stands for its /
	// HoldsMail reports whether a log, or a file that rotation made of it, holds a
	// line of a mail server.
	HoldsMail  func(path string) (bool, error)
	HasJournal bool
}

// Sources are the logs that the daemon follows, and how they were chosen.
type Sources struct {
	List []Source
	// ByDefault is set if no source is configured, so that the list was made of
	// DefaultLogPaths or is the journal.
	ByDefault bool
	Skipped   []string // default paths that exist and hold no line of a mail server
	NoMail    bool     // no default path holds a line of a mail server
}

// Resolve returns the logs that the settings name. If they name none, it returns all of
// DefaultLogPaths that hold lines of a mail server, and else the journal. An empty log
// is followed, because lines may come; a log that cannot be read is followed, so that
// the problem is reported; and if no log holds such a line, all that exist are followed.
// The caller warns then. The list is empty if there is no log and no journal.
func (c *Config) Resolve(m Machine) Sources {
	if len(c.Sources) > 0 {
		list := make([]Source, len(c.Sources))
		for i, s := range c.Sources {
			if s.Path != Journal && s.Path != "-" {
				s.Path = m.at(s.Path)
			}
			list[i] = s
		}
		return Sources{List: list}
	}
	found := Sources{ByDefault: true, NoMail: true}
	var files []os.FileInfo
	for _, path := range DefaultLogPaths {
		path = m.at(path)
		info, err := os.Stat(path)
		if err != nil || info.IsDir() || isSame(files, info) {
			continue
		}
		files = append(files, info)
		holds, err := m.HoldsMail(path)
		if holds || err != nil {
			found.NoMail = false
		}
		if holds || err != nil || info.Size() == 0 {
			found.List = append(found.List, Source{Path: path, MTA: "auto"})
		} else {
			found.Skipped = append(found.Skipped, path)
		}
	}
	if found.NoMail {
		for _, path := range found.Skipped {
			found.List = append(found.List, Source{Path: path, MTA: "auto"})
		}
		found.Skipped = nil
	}
	if len(found.List) == 0 && m.HasJournal {
		found.List = []Source{{Path: Journal, MTA: "auto"}}
	}
	return found
}

// at returns the place of a path of the machine.
func (m Machine) at(path string) string {
	if m.Root == "" {
		return path
	}
	return filepath.Join(m.Root, path)
}

// isSame reports whether a file is among files under another name.
func isSame(files []os.FileInfo, file os.FileInfo) bool {
	for _, other := range files {
		if os.SameFile(other, file) {
			return true
		}
	}
	return false
}

// Zone returns the location that Timezone names.
func (s Source) Zone() (*time.Location, error) {
	if s.Timezone == "" || s.Timezone == "local" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone; write one such as Europe/Berlin, or local", s.Timezone)
	}
	return zone, nil
}

// LocalZoneProblem says what is wrong with TZ, or returns an empty text. Go takes UTC
// for a zone that it does not know, also for a rule of POSIX such as
// CET-1CEST,M3.5.0,M10.5.0/3, which the C library reads.
func LocalZoneProblem() string {
	name := strings.TrimPrefix(os.Getenv("TZ"), ":")
	if name == "" || name == "UTC0" {
		return ""
	}
	if filepath.IsAbs(name) {
		if data, err := openfile.Read(name, maxFile); err == nil {
			if _, err := time.LoadLocationFromTZData(name, data); err == nil {
				return ""
			}
		}
	} else if _, err := time.LoadLocation(name); err == nil {
		return ""
	}
	return fmt.Sprintf("TZ=%s is not the name of a time zone, so UTC is used; set TZ to one such as Europe/Berlin", name)
}
