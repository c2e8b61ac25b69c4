package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// answers holds the replies of a scripted server, by local part of the recipient. Other
// recipients are accepted. A reply is one or more lines without CR LF at the end.
type answers struct {
	rcpt map[string]string
	data map[string]string // to the end of DATA
	evil string            // to all recipients at evil.example
	// evilSays returns the reply to the next recipient at evil.example, if it is not nil.
	evilSays func() string
	mu       *sync.Mutex // for evilSays
	// taken is called with each message that is accepted, if it is not nil.
	taken func(message string)
}

// serveSMTP starts a server on 127.0.0.1 for the duration of the test, and returns its
// port.
func serveSMTP(t testing.TB, a answers) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.mu = new(sync.Mutex)
	var sessions sync.WaitGroup
	var open sync.Map
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			open.Store(conn, true)
			sessions.Go(func() {
				defer conn.Close()
				a.session(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		sessions.Wait()
	})
	return listener.Addr().(*net.TCPAddr).Port
}

// session implements the part of RFC 5321 that a delivering mail server uses.
func (a answers) session(conn net.Conn) {
	say := func(text string) {
		fmt.Fprint(conn, strings.ReplaceAll(text, "\n", "\r\n")+"\r\n")
	}
	say("220 scripted.example ESMTP")
	accepted := ""
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line := lines.Text()
		switch verb, rest, _ := strings.Cut(line, " "); strings.ToUpper(verb) {
		case "EHLO":
			say("250-scripted.example\n250-8BITMIME\n250 ENHANCEDSTATUSCODES")
		case "HELO", "MAIL", "RSET", "NOOP":
			say("250 2.0.0 ok")
		case "RCPT":
			local, _, _ := strings.Cut(strings.TrimPrefix(strings.ToUpper(rest), "TO:<"), "@")
			local = strings.ToLower(local)
			said := a.rcpt[local]
			if a.evil != "" && strings.Contains(rest, "@evil.example>") {
				said = a.evil
			}
			if a.evilSays != nil && strings.Contains(rest, "@evil.example>") {
				a.mu.Lock()
				said = a.evilSays()
				a.mu.Unlock()
			}
			if said != "" {
				if say(said); said[0] == '2' {
					accepted = local
				}
				continue
			}
			accepted = local
			say("250 2.1.5 ok")
		case "DATA":
			say("354 go ahead")
			var message strings.Builder
			for lines.Scan() && lines.Text() != "." {
				message.WriteString(strings.TrimPrefix(lines.Text(), ".") + "\n")
			}
			if said := a.data[accepted]; said != "" {
				say(said)
				continue
			}
			if a.taken != nil {
				a.taken(message.String())
			}
			say("250 2.0.0 taken")
		case "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("500 5.5.2 what?")
		}
	}
}
