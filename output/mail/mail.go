// Package mail composes a message and hands it to a mail server's sendmail.
package mail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os/exec"
	"strings"
	"time"
	"unicode"
)

// Message is a message with its content as text and as HTML, and an HTML file. Programs
// that send automatic replies do not answer it.
type Message struct {
	To       []string
	Subject  string
	Date     time.Time
	Text     []byte
	HTML     []byte
	FileName string
	File     []byte
}

// ParseAddress returns an address as a header contains it, in angle brackets.
func ParseAddress(address string) (string, error) {
	parsed, err := mail.ParseAddress(address)
	if err != nil {
		return "", fmt.Errorf("%q is not an address: %w", address, err)
	}
	if strings.ContainsFunc(parsed.Address, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' }) {
		return "", fmt.Errorf("%q has characters other than ASCII; write the domain as A-labels (xn--…)", address)
	}
	return (&mail.Address{Address: parsed.Address}).String(), nil // quotes the local part
}

// Write writes the message with the line ends of Unix, as sendmail expects it.
func (m *Message) Write(out io.Writer) error {
	var to []string
	for _, address := range m.To {
		parsed, err := ParseAddress(address)
		if err != nil {
			return err
		}
		to = append(to, parsed)
	}
	if len(to) == 0 {
		return errors.New("the message has no recipient")
	}
	var body bytes.Buffer
	mixed := multipart.NewWriter(&body)
	if err := m.writeParts(mixed); err != nil {
		return err
	}
	var head bytes.Buffer
	for _, field := range [][2]string{
		{"To", strings.Join(to, ",\n ")},
		// A line has at most 998 characters (RFC 5322, section 2.1.1).
		{"Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", m.Subject), "?= =?", "?=\n =?")},
		{"Date", m.Date.Format(time.RFC1123Z)},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834
		{"MIME-Version", "1.0"},
		{"Content-Type", `multipart/mixed; boundary="` + mixed.Boundary() + `"`},
	} {
		head.WriteString(field[0] + ": " + field[1] + "\n")
	}
	head.WriteByte('\n')
	head.Write(bytes.ReplaceAll(body.Bytes(), []byte("\r\n"), []byte("\n")))
	_, err := out.Write(head.Bytes())
	return err
}

func (m *Message) writeParts(mixed *multipart.Writer) error {
	var inner bytes.Buffer
	alternative := multipart.NewWriter(&inner)
	for _, part := range []struct {
		kind    string
		content []byte
	}{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		w, err := alternative.CreatePart(header(part.kind+"; charset=utf-8", "quoted-printable"))
		if err != nil {
			return err
		}
		quoted := quotedprintable.NewWriter(w)
		if _, err := quoted.Write(part.content); err != nil {
			return err
		}
		if err := quoted.Close(); err != nil {
			return err
		}
	}
	if err := alternative.Close(); err != nil {
		return err
	}
	w, err := mixed.CreatePart(header(`multipart/alternative; boundary="`+alternative.Boundary()+`"`, ""))
	if err != nil {
		return err
	}
	if _, err := w.Write(inner.Bytes()); err != nil {
		return err
	}
	if m.File != nil {
		head := header("text/html; charset=utf-8", "base64")
		head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": m.FileName}))
		if w, err = mixed.CreatePart(head); err != nil {
			return err
		}
		if err := writeBase64(w, m.File); err != nil {
			return err
		}
	}
	return mixed.Close()
}

func header(kind, encoding string) textproto.MIMEHeader {
	h := textproto.MIMEHeader{"Content-Type": {kind}}
	if encoding != "" {
		h.Set("Content-Transfer-Encoding", encoding)
	}
	return h
}

// writeBase64 writes lines of 76 characters (RFC 2045, section 6.8).
func writeBase64(w io.Writer, content []byte) error {
	const bytesOfLine = 57
	for len(content) > 0 {
		n := min(len(content), bytesOfLine)
		if _, err := fmt.Fprintln(w, base64.StdEncoding.EncodeToString(content[:n])); err != nil {
			return err
		}
		content = content[n:]
	}
	return nil
}

// Send hands the message to a program that takes the options of sendmail, which the
// setting report.sendmail names. It prints nothing; an error contains what the program
// printed.
func (m *Message) Send(ctx context.Context, sendmail string) error {
	var message, said bytes.Buffer
	if err := m.Write(&message); err != nil {
		return err
	}
	// -t reads the recipients from the header; -oi does not end at a line with a dot.
	cmd := exec.CommandContext(ctx, sendmail, "-t", "-oi")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &message, &said, &said
	if err := Run(cmd); err != nil {
		return Failed("report.sendmail", sendmail, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// Run runs a program that a setting names. What that leaves running may keep its output
// open, and is not waited for.
func Run(cmd *exec.Cmd) error {
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); !errors.Is(err, exec.ErrWaitDelay) { // else the program itself has ended well
		return err
	}
	return nil
}

// Failed returns the error of a program that a setting names, and what it printed.
func Failed(setting, program string, err error, said string) error {
	if notRun, ok := errors.AsType[*fs.PathError](err); ok {
		err = notRun.Err // the error names the program again
	}
	if said != "" {
		said = ": " + said
	}
	return fmt.Errorf("%s: %s: %w%s", setting, program, err, said)
}
