package web

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strings"
)

// cookie holds the session.
const cookie = "bouncetail"

// newToken returns a random text of 128 bits.
func newToken() string { return rand.Text() }

// NewToken returns a token for Site.Token.
func NewToken() string { return newToken() }

// admit reports whether a request belongs to the session, and answers it if it does not.
// Other users of the machine can reach a port of it, so that the first request must have
// the token, which is valid once and becomes a cookie.
func (s *Site) admit(w http.ResponseWriter, r *http.Request) bool {
	if c, err := r.Cookie(cookie); err == nil && equal(c.Value, s.session) {
		return true
	}
	if once := r.URL.Query().Get("once"); equal(once, s.Token) && s.tokenUse.CompareAndSwap(false, true) {
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: s.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		// A redirect would not have the cookie if another page led here.
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(strings.Join([]string{
			"<!DOCTYPE html>", "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>bouncetail</title>",
			"<meta http-equiv=\"refresh\" content=\"0; url=./\"></head>", "<body><p><a href=\"./\">Show the pages</a></p></body></html>", "",
		}, "\n")))
		return false
	}
	http.Error(w, "Open the link that bouncetail web has printed. It works once; start the command again for another.", http.StatusForbidden)
	return false
}

func equal(a, b string) bool {
	return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
