package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/output/mail"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// reporting are the flags of the command.
type reporting struct {
	since, until, format, output string
	asJSON, send                 bool
	mail                         []string
	addresses                    int
}

func (a *app) report() *cobra.Command {
	var f reporting
	c := &cobra.Command{
		Use:   "report",
		Short: "Compare the last week with the week before, to read, to print or to mail",
		Long: "Report shows what needs you, the numbers of the last 7 whole days (UTC) and of the 7\n" +
			"days before, the days, providers, reasons, newly bad addresses, senders, incidents,\n" +
			"unknown replies, and how well the logs were read. As HTML it is one file with charts\n" +
			"that needs no other file and no script.\n\n" +
			"With --mail or --send it is mailed and not printed, also if nothing happened. Nothing\n" +
			"is printed then unless it fails.",
		Example: "  bouncetail report\n" +
			"  bouncetail report --since 30d -o report.html\n" +
			"  bouncetail report --mail postmaster@example.com",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runReport(cmd.Context(), &f) },
	}
	c.Flags().StringVar(&f.since, "since", "7d", "from the day of `TIME` on: "+when.Forms)
	c.Flags().StringVar(&f.until, "until", "today", "up to the day of `TIME`, without it; now includes today")
	c.Flags().StringVar(&f.format, "format", "", "`FORMAT`: "+strings.Join(report.DigestFormats, ", ")+" (default: by the name of the file of -o, else text)")
	c.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object, as --format json")
	c.Flags().StringVarP(&f.output, "output", "o", "", "write to `FILE`, whole or not at all")
	c.Flags().StringSliceVar(&f.mail, "mail", nil, "mail it to these `ADDRESSES`")
	c.Flags().BoolVar(&f.send, "send", false, "mail it to the addresses of the setting report.mail")
	c.Flags().IntVar(&f.addresses, "addresses", 20, "list at most `N` newly bad addresses; 0 lists none")
	complete(c, "format", report.DigestFormats)
	return c
}

// check completes the flags and refuses those that exclude each other.
func (f *reporting) check(c config.Report) error {
	if f.asJSON {
		if f.format != "" && f.format != "json" {
			return fmt.Errorf("--json and --format %s exclude each other", f.format)
		}
		f.format = "json"
	}
	if f.send {
		f.mail = append(f.mail, c.Mail...)
		if len(f.mail) == 0 {
			return errors.New("--send: the setting report.mail names no address")
		}
	}
	for _, address := range f.mail {
		if _, err := mail.ParseAddress(address); err != nil {
			return fmt.Errorf("--mail: %w", err)
		}
	}
	if len(f.mail) > 0 && (f.format != "" || f.output != "") {
		return errors.New("a mail has its own format; leave out --format, --json and -o, or run the command twice")
	}
	if f.addresses < 0 {
		return fmt.Errorf("--addresses: %d is less than 0", f.addresses)
	}
	if f.format == "" {
		f.format = "text"
		if name := strings.TrimPrefix(filepath.Ext(f.output), "."); slices.Contains(report.DigestFormats, name) {
			f.format = name
		}
	}
	if !slices.Contains(report.DigestFormats, f.format) {
		return fmt.Errorf("--format: %q is not one of %s", f.format, strings.Join(report.DigestFormats, ", "))
	}
	return nil
}

func (a *app) runReport(ctx context.Context, f *reporting) error {
	settings, err := a.settings()
	if err != nil {
		return err
	}
	if err := f.check(settings.Report); err != nil {
		return usageError{err}
	}
	o := report.DigestOptions{Now: a.now(), Addresses: f.addresses, Trouble: daemon.Find(ctx, settings.Database).Trouble()}
	if o.Since, err = when.Past(f.since, o.Now.UTC()); err != nil {
		return usageError{fmt.Errorf("--since: %w", err)}
	}
	if o.Until, err = when.Past(f.until, o.Now.UTC()); err != nil {
		return usageError{fmt.Errorf("--until: %w", err)}
	}
	if err := o.Check(); err != nil {
		return usageError{fmt.Errorf("--since: %w", err)}
	}
	r, err := query.OpenReader(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer r.Close()
	d, err := report.ReadDigest(ctx, r, o)
	if err != nil {
		return err
	}
	if len(f.mail) > 0 {
		return a.mailReport(ctx, d, f.mail, settings.Report.Sendmail)
	}
	return a.printReport(d, f)
}

// printReport prints a report or writes it to a file.
func (a *app) printReport(d *report.Digest, f *reporting) error {
	if f.output == "" {
		return d.Print(a.screen(), f.format, a.zone())
	}
	var file bytes.Buffer
	if err := d.Print(table.ScreenOf(&file), f.format, a.zone()); err != nil {
		return err
	}
	return atomicfile.WriteFile(f.output, file.Bytes(), 0o640)
}

func (a *app) mailReport(ctx context.Context, d *report.Digest, to []string, sendmail string) error {
	m, err := d.Mail(a.zone())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	message := mail.Message{To: to, Subject: m.Subject, Date: a.now(), Text: m.Text, HTML: m.HTML, FileName: m.FileName, File: m.File}
	return message.Send(ctx, sendmail)
}
