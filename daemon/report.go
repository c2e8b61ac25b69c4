package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/output/mail"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// Report prints the report of a period, writes it to a file, or mails it. Its fields are
// the flags of the command.
type Report struct {
	Since, Until string
	Format       string // one of report.DigestFormats; empty is that of the file
	JSON         bool   // as Format json
	Output       string // a file; empty is standard output
	Mail         []string
	Send         bool // mail it to those of the settings
	Addresses    int  // listed at most
	Provider     string

	options report.DigestOptions
}

// Check completes the flags. It returns an error for a value that has no meaning, and for
// flags that exclude each other.
func (f *Report) Check(c config.Report, now time.Time) (err error) {
	if f.JSON {
		if f.Format != "" && f.Format != "json" {
			return fmt.Errorf("--json and --format %s exclude each other", f.Format)
		}
		f.Format = "json"
	}
	if f.Mail != nil && len(f.Mail) == 0 {
		return errors.New("--mail names no address") // a variable of a shell that is empty
	}
	if f.Send {
		f.Mail = append(f.Mail, c.Mail...)
		if len(f.Mail) == 0 {
			return errors.New(
				"--send: the setting report.mail names no address; write report: {mail: [postmaster@example.com]} into the settings",
			)
		}
	}
	for _, address := range f.Mail {
		if _, err := mail.ParseAddress(address); err != nil {
			return fmt.Errorf("--mail: %w", err)
		}
	}
	if len(f.Mail) > 0 && (f.Format != "" || f.Output != "") {
		return errors.New("a mail has its own format; leave out --format, --json and -o, or run the command twice")
	}
	if f.Addresses < 0 {
		return fmt.Errorf("--addresses: %d is less than 0", f.Addresses)
	}
	if f.Format == "" {
		f.Format = "text"
		if name := strings.TrimPrefix(filepath.Ext(f.Output), "."); slices.Contains(report.DigestFormats, name) {
			f.Format = name
		}
	}
	if err := text.OneOf(f.Format, report.DigestFormats); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	f.options = report.DigestOptions{Now: now, Addresses: f.Addresses, Provider: strings.ToLower(f.Provider)}
	if f.options.Since, err = when.Past(f.Since, now.UTC()); err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	if f.options.Until, err = when.End(f.Until, now.UTC()); err != nil {
		return fmt.Errorf("--until: %w", err)
	}
	if err := report.CheckProvider(f.options.Provider); err != nil {
		return fmt.Errorf("--provider: %w", err)
	}
	if err := f.options.Check(); err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	return nil
}

// Write prints the report to out, writes it to the file, or mails it.
func (f *Report) Write(ctx context.Context, q *Question, out io.Writer, zone table.Zone) error {
	c := q.Config
	if err := CheckOutput(&c, f.Output); err != nil {
		return err
	}
	r, err := q.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	if !q.Fleet {
		f.options.Trouble = Find(ctx, c.Database).Trouble()
	}
	d, err := report.ReadDigest(ctx, r, f.options)
	if err != nil {
		return err
	}
	if !q.Fleet {
		d.URL = c.Web.Page("")
	}
	switch {
	case len(f.Mail) > 0:
		return f.mail(ctx, d, c.Report.Sendmail, zone)
	case f.Output == "":
		return d.Print(table.ScreenOf(out), f.Format, zone)
	}
	var file bytes.Buffer
	if err := d.Print(table.ScreenOf(&file), f.Format, zone); err != nil {
		return err
	}
	return atomicfile.WriteFile(f.Output, file.Bytes(), 0o640)
}

func (f *Report) mail(ctx context.Context, d *report.Digest, sendmail string, zone table.Zone) error {
	m, err := d.Mail(zone)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	message := mail.Message{
		To:       f.Mail,
		Subject:  m.Subject,
		Date:     f.options.Now,
		Text:     m.Text,
		HTML:     m.HTML,
		FileName: m.FileName,
		File:     m.File,
	}
	return message.Send(ctx, sendmail)
}
