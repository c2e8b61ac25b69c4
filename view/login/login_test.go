package login

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// cheap writes a file of users whose passwords cost little.
func cheap(t *testing.T, users map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	var lines strings.Builder
	lines.WriteString("# people\n\n")
	for name, password := range users {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(name + ":" + string(hash) + "\n")
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *Users {
	t.Helper()
	u, err := OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestPasswordsAreChecked(t *testing.T) {
	long := strings.Repeat("x", 72)
	u := open(t, cheap(t, map[string]string{"ada": "correct horse", "max": long}))
	for _, c := range []struct {
		name, password string
		want           error
	}{
		{"ada", "correct horse", nil},
		{"ada", "correct horse ", ErrWrong},
		{"ada", "", ErrWrong},
		{"Ada", "correct horse", ErrWrong},
		{"", "", ErrWrong},
		{"nobody", "correct horse", ErrWrong},
		{"max", long, nil},
		{"max", long + "x", ErrWrong}, // bcrypt reads 72 bytes only
		{"ada\n", "correct horse", ErrWrong},
		{"ada", strings.Repeat("y", 1<<16), ErrWrong},
	} {
		if err := u.Check(t.Context(), c.name, c.password); !errors.Is(err, c.want) && err != c.want { //nolint:errorlint // nil
			t.Errorf("Check(%q, %.20q) = %v, want %v", c.name, c.password, err, c.want)
		}
	}
}

func TestGuessingIsSlowedDownForKnownAndUnknownNames(t *testing.T) {
	path := cheap(t, map[string]string{"ada": "correct horse", "eve": "another horse"})
	synctest.Test(t, func(t *testing.T) {
		u := open(t, path)
		for _, name := range []string{"ada", "nobody"} {
			for range 5 {
				if err := u.Check(t.Context(), name, "wrong"); !errors.Is(err, ErrWrong) {
					t.Fatalf("%s: %v", name, err)
				}
			}
			err := u.Check(t.Context(), name, "correct horse")
			if wait, is := errors.AsType[TooMany](err); !is || time.Duration(wait) > 12*time.Second || !strings.Contains(err.Error(), "Try again in 12s.") {
				t.Errorf("%s: the sixth try within a minute: %v", name, err)
			}
		}
		if err := u.Check(t.Context(), "eve", "another horse"); err != nil {
			t.Errorf("another user cannot log in: %v", err)
		}
		time.Sleep(13 * time.Second)
		if err := u.Check(t.Context(), "ada", "correct horse"); err != nil {
			t.Errorf("after the pause: %v", err)
		}
		for range 5 { // a login that succeeds forgets the failures
			if err := u.Check(t.Context(), "ada", "wrong"); !errors.Is(err, ErrWrong) {
				t.Errorf("after a login: %v", err)
			}
		}
	})
}

// A stranger must not learn from the time of the answer who has a login.
func TestUnknownNamesCostAsMuchAsKnownOnes(t *testing.T) {
	users := map[string]string{}
	for _, cost := range []int{4, 7} {
		hash, err := bcrypt.GenerateFromPassword([]byte("password"), cost)
		if err != nil {
			t.Fatal(err)
		}
		users[string(rune('a'+cost))] = string(hash)
	}
	if cost, err := bcrypt.Cost([]byte(nobody(users))); err != nil || cost != 7 {
		t.Errorf("an unknown name costs %d: %v", cost, err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(nobody(users)), nil); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("the password of nobody is not compared: %v", err)
	}
}

func TestFilesOfUsersAreChecked(t *testing.T) {
	hash := "$2y$10$abcdefghijklmnopqrstuuGbB0cD1eF2gH3iJ4kL5mN6oP7qR8sT9"[:60]
	for content, want := range map[string]string{
		"":                                     "has no user",
		"ada:secret\n":                         "line 1: the password of ada is not a bcrypt hash",
		"ada:" + hash + "\nada:" + hash + "\n": "line 2: there is another line of ada",
		"a:" + strings.Replace(hash, "$10$", "$16$", 1): "cost of at most 15",
		"ada{}:" + hash: "is not a name",
		"\x00:" + hash:  "is not a name",
		"ada:{SHA}x":    "bouncetail web passwd ada",
	} {
		path := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenUsers(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
		if strings.Contains(content, "secret") {
			if _, err := OpenUsers(path); strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has the password: %v", err)
			}
		}
	}
	path := cheap(t, map[string]string{"ada": "x"})
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenUsers(path); err == nil || !strings.Contains(err.Error(), "chmod o= ") {
		t.Errorf("a file that everyone can read: %v", err)
	}
	if _, err := OpenUsers(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "bouncetail web passwd NAME") {
		t.Errorf("no file: %v", err)
	}
}

func TestPasswordsAreSetAndUsersRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := SetPassword(path, "ada", "first password"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file has the mode %v: %v", info.Mode(), err)
	}
	u := open(t, path)
	mark := u.Mark("ada")
	for _, password := range []string{"", "short", strings.Repeat("x", 73)} {
		if err := SetPassword(path, "ada", password); err == nil {
			t.Errorf("the password %q is accepted", password)
		}
	}
	if err := SetPassword(path, "eve:x\nmallory", "a long password"); err == nil {
		t.Error("a name with a line end is accepted")
	}
	if err := SetPassword(path, "ada", "second password"); err != nil {
		t.Fatal(err)
	}
	if err := u.Check(t.Context(), "ada", "first password"); !errors.Is(err, ErrWrong) {
		t.Errorf("the old password: %v", err)
	}
	if err := u.Check(t.Context(), "ada", "second password"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if u.Mark("ada") == mark || u.Mark("nobody") != "" {
		t.Error("the mark does not follow the password")
	}
	if err := RemoveUser(path, "eve"); err == nil {
		t.Error("a user that does not exist is removed")
	}
	if err := RemoveUser(path, "ada"); err != nil {
		t.Fatal(err)
	}
	if err := u.Check(t.Context(), "ada", "second password"); !errors.Is(err, ErrWrong) {
		t.Errorf("a user that was removed: %v", err)
	}
	if err := os.WriteFile(path, []byte("broken"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := u.Check(t.Context(), "ada", "second password"); err == nil || errors.Is(err, ErrWrong) {
		t.Errorf("a file that broke: %v", err)
	}
	if got, err := ReadPassword(strings.NewReader("from a pipe\r\nmore"), nil); got != "from a pipe" || err != nil {
		t.Errorf("ReadPassword: %q, %v", got, err)
	}
}

func TestTokensAreStoredAsHashes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	day := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	prom, err := AddToken(path, "prom", ScopeMetrics, day)
	if err != nil {
		t.Fatal(err)
	}
	shop, err := AddToken(path, "shop", ScopeRead, day)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); err != nil || strings.Contains(string(content), prom) || !strings.HasSuffix(string(content), " 2026-11-26\n") {
		t.Errorf("the file is %q: %v", content, err)
	}
	tokens, err := OpenTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{prom: ScopeMetrics, shop: ScopeRead, "": "", "bt_": "", prom + " ": "", strings.ToLower(prom): ""} {
		got, err := tokens.Check(given)
		if got.Scope != want || (err == nil) != (want != "") {
			t.Errorf("Check(%q) = %+v, %v", given, got, err)
		}
	}
	if _, err := AddToken(path, "shop", ScopeMetrics, day); err == nil || !strings.HasSuffix(err.Error(), "remove it first: bouncetail web token --remove shop") {
		t.Errorf("another token with the same name: %v", err)
	}
	if got, err := tokens.Check(shop); err != nil || got.Scope != ScopeRead {
		t.Errorf("the token after an attempt to replace it: %+v, %v", got, err)
	}
	if err := RemoveToken(path, "shop"); err != nil {
		t.Fatal(err)
	}
	again, err := AddToken(path, "shop", ScopeRead, day)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Check(shop); !errors.Is(err, ErrWrong) {
		t.Errorf("a token that was replaced: %v", err)
	}
	most := 0
	for ; most < 1000; most++ {
		if _, err := tokens.Check(again); err != nil {
			break
		}
	}
	if most < 98 || most > 500 {
		t.Errorf("%d requests at once", most)
	}
	for _, bad := range [][2]string{{"a b", ScopeRead}, {"a", "root"}, {"", ScopeRead}} {
		if _, err := AddToken(path, bad[0], bad[1], day); err == nil {
			t.Errorf("a token %q is made", bad)
		}
	}
	if err := RemoveToken(path, "prom"); err != nil {
		t.Fatal(err)
	}
	if list, err := ListTokens(path); err != nil || len(list) != 1 || TokenLines(list) != "2026-11-26  shop                  read" {
		t.Errorf("%q, %v", TokenLines(list), err)
	}
}

func TestSessionsEnd(t *testing.T) {
	at := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	var s Sessions
	id := s.Start("ada", "1", at)
	for i := range 13 * 4 { // used every quarter
		at = at.Add(15 * time.Minute)
		user, ok := s.User(id, at)
		if want := i < 48; ok != want || ok && user != "ada" {
			t.Fatalf("after %d quarters: %q, %v", i+1, user, ok)
		}
	}
	id = s.Start("ada", "1", at)
	if _, ok := s.User(id, at.Add(31*time.Minute)); ok || s.Any(at.Add(31*time.Minute)) {
		t.Error("a session without requests does not end")
	}
	id = s.Start("ada", "1", at)
	s.Valid = func(user, mark string) bool { return user == "ada" && mark == "2" }
	if _, ok := s.User(id, at); ok {
		t.Error("the session does not end with a new password")
	}
	s.Valid = nil
	s.Start("ada", "1", at)
	s.Valid = func(string, string) bool { return false }
	if s.Any(at) {
		t.Error("the session of a user that was removed keeps the process")
	}
	s.Valid = nil
	if _, ok := s.User(id, at); ok {
		t.Error("the session is back")
	}
	var first string
	for i := range maxSessions + 1 {
		id = s.Start("ada", "1", at.Add(time.Duration(i)*time.Millisecond))
		if i == 0 {
			first = id
		}
	}
	if _, ok := s.User(first, at); ok || len(s.byID) != maxSessions {
		t.Errorf("there are %d sessions", len(s.byID))
	}
	s.End(id)
	if _, ok := s.User(id, at); ok {
		t.Error("a session that was ended continues")
	}
	if a, b := s.FormToken("a"), s.FormToken("b"); a == b || !s.IsForm("a", a) || s.IsForm("b", a) || s.IsForm("", s.FormToken("")) || s.IsForm("a", "") {
		t.Error("the token of a form is not that of the browser")
	}
}
