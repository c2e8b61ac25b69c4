package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func message() *Message {
	return &Message{
		To: []string{"postmaster@example.com", "The Boss <boss@example.com>"}, Subject: "[bouncetail mx1] 2 things, ▅▅▆ " + strings.Repeat("long ", 40),
		Date: time.Date(2026, 11, 26, 7, 0, 0, 0, time.UTC),
		Text: []byte("delivered  ▅▅▆\n.\n\nFrom here = there\n" + strings.Repeat("x", 2000) + "\n"), HTML: []byte("<p>▅▅▆</p>\n"),
		FileName: "report.html", File: bytes.Repeat([]byte("<svg/>\n"), 1000),
	}
}

// parts returns the leaves of a message by their type.
func parts(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	found := make(map[string]string)
	var walk func(kind string, body io.Reader)
	walk = func(kind string, body io.Reader) {
		media, params, err := mime.ParseMediaType(kind)
		if err != nil {
			t.Fatal(err)
		}
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextPart() // decodes quoted-printable
			if errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatalf("%s: %v", media, err)
			}
			if strings.HasPrefix(p.Header.Get("Content-Type"), "multipart/") {
				walk(p.Header.Get("Content-Type"), p)
				continue
			}
			content := io.Reader(p)
			if p.Header.Get("Content-Transfer-Encoding") == "base64" {
				content = base64.NewDecoder(base64.StdEncoding, p)
			}
			text, err := io.ReadAll(content)
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
			found[name+p.FileName()] = string(text)
		}
	}
	walk(m.Header.Get("Content-Type"), m.Body)
	return found
}

func TestMessageReachesTheReaderAsItWas(t *testing.T) {
	want := message()
	var out bytes.Buffer
	if err := want.Write(&out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(out.String(), "\n") {
		if len(line) > 998 { // RFC 5322, section 2.1.1
			t.Errorf("a line of %d bytes", len(line))
		}
		if strings.HasSuffix(line, "\r") || strings.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
			t.Errorf("the line %q is not plain ASCII", line)
		}
	}
	m, err := mail.ReadMessage(&out)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != want.Subject {
		t.Errorf("the subject is %q: %v", subject, err)
	}
	if got := m.Header.Get("To"); got != "<postmaster@example.com>, <boss@example.com>" {
		t.Errorf("To: %s", got)
	}
	if got := m.Header.Get("Auto-Submitted"); got != "auto-generated" {
		t.Errorf("Auto-Submitted: %s", got)
	}
	if at, err := m.Header.Date(); err != nil || !at.Equal(want.Date) {
		t.Errorf("Date: %v, %v", at, err)
	}
	got := parts(t, m)
	for name, content := range map[string][]byte{"text/plain": want.Text, "text/html": want.HTML, "text/htmlreport.html": want.File} {
		if strings.ReplaceAll(got[name], "\r\n", "\n") != string(content) {
			t.Errorf("the part %s is %.200q", name, got[name])
		}
	}
	if len(got) != 3 {
		t.Errorf("%d parts, want 3", len(got))
	}
}

func TestSubjectCannotAddAHeader(t *testing.T) {
	m := message()
	m.Subject = "x\r\nBcc: victim@example.com\n\nbody"
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	got, err := mail.ReadMessage(&out)
	if err != nil || got.Header.Get("Bcc") != "" || len(parts(t, got)) != 3 {
		t.Errorf("the header is %v, %v", got.Header, err)
	}
}

func TestAddressesThatAHeaderCannotHoldAreRefused(t *testing.T) {
	for _, address := range []string{"", "x", "x@example.com\r\nBcc: y@example.com", "x@example.com, y@example.com", "jo@bücher.example", `"a b"@example.com`, "-oQ/tmp@"} {
		m := message()
		m.To = []string{address}
		if err := m.Write(io.Discard); err == nil {
			t.Errorf("%q is not refused", address)
		}
	}
	m := message()
	m.To = nil
	if err := m.Write(io.Discard); err == nil {
		t.Error("a message without a recipient is not refused")
	}
}

func TestQuotedAddressStaysOneAddress(t *testing.T) {
	got, err := ParseAddress(`"a,b"@example.com`)
	if want := `<"a,b"@example.com>`; err != nil || got != want {
		t.Errorf("ParseAddress = %q, %v, want %q", got, err, want)
	}
}

func TestErrorOfSendmailSaysWhatItPrinted(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sendmail")
	if err := os.WriteFile(program, []byte("#!/bin/sh\ncat >/dev/null\necho the queue is full >&2\nexit 75\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := message().Send(t.Context(), program)
	if err == nil || err.Error() != "report.sendmail: "+program+": exit status 75: the queue is full" {
		t.Errorf("the error is %v", err)
	}
}

// A program that leaves another one running in the background has ended nevertheless.
func TestWhatAProgramLeavesRunningIsNotWaitedFor(t *testing.T) {
	begun := time.Now()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "sleep 60 & exit $0", "0")
	cmd.Stdout = new(bytes.Buffer)
	if err := Run(cmd); err != nil {
		t.Errorf("Run() = %v", err)
	}
	cmd = exec.CommandContext(t.Context(), "sh", "-c", "sleep 60 & exit $0", "3")
	cmd.Stdout = new(bytes.Buffer)
	if err := Run(cmd); err == nil {
		t.Error("Run() of a program that fails = nil")
	}
	if took := time.Since(begun); took > 50*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A line of a message has at most 998 characters, whatever a reply in the subject says.
func TestALongSubjectIsFolded(t *testing.T) {
	m := Message{To: []string{"a@example.com"}, Subject: strings.Repeat("é", 400), Text: []byte("x"), HTML: []byte("x")}
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(out.String(), "\n\n")
	for line := range strings.Lines(head) {
		if len(line) > 200 {
			t.Errorf("a line of %d characters: %.80s…", len(line), line)
		}
	}
	parsed, err := mail.ReadMessage(strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Errorf("the subject is %v %.80s…, want that of the message", err, subject)
	}
}
