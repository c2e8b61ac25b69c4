package login

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Scopes are what a token may be for.
var Scopes = []string{ScopeMetrics, ScopeRead}

// The scopes of tokens.
const (
	ScopeMetrics = "metrics" // /metrics only
	ScopeRead    = "read"    // every page
)

// Token is a token of a program. The file has only its hash.
type Token struct {
	Name  string `json:"name"`
	Scope string `json:"scope"`
	Added string `json:"added"` // YYYY-MM-DD
	hash  []byte
}

// Tokens are the tokens of programs, in a file of lines with name, scope, SHA-256 and
// day.
type Tokens struct {
	file     *file[Token]
	requests limiter
}

// OpenTokens reads the file of tokens, to report what is wrong with it.
func OpenTokens(path string) (*Tokens, error) {
	t := &Tokens{file: tokensOf(path), requests: limiter{rate: 100, burst: 100}}
	if _, err := t.file.read(); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist; bouncetail web token NAME makes it", path)
	} else if err != nil {
		return nil, err
	}
	return t, nil
}

func tokensOf(path string) *file[Token] { return &file[Token]{path: path, parse: parseToken} }

func parseToken(line string) (string, Token, error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return "", Token{}, errors.New("a token has a name, a scope, a hash and a day")
	}
	t := Token{Name: fields[0], Scope: fields[1], Added: fields[3]}
	if err := checkName(t.Name); err != nil {
		return "", t, err
	}
	if !slices.Contains(Scopes, t.Scope) {
		return "", t, fmt.Errorf("the scope of %s is not one of %s", t.Name, strings.Join(Scopes, ", "))
	}
	var err error
	if t.hash, err = hex.DecodeString(fields[2]); err != nil || len(t.hash) != sha256.Size {
		return "", t, fmt.Errorf("the hash of %s is no SHA-256", t.Name)
	}
	return t.Name, t, nil
}

// Check returns the token that a program has given, TooMany, or ErrWrong. It takes as
// long for every wrong one.
func (t *Tokens) Check(given string) (Token, error) {
	tokens, err := t.file.read()
	if err != nil {
		return Token{}, err
	}
	sum := sha256.Sum256([]byte(given))
	var found *Token
	for _, one := range tokens {
		if subtle.ConstantTimeCompare(one.hash, sum[:]) == 1 {
			found = &one
		}
	}
	if found == nil {
		return Token{}, ErrWrong
	}
	if wait := t.requests.wait(found.Name, time.Now()); wait > 0 {
		return *found, TooMany(wait)
	}
	return *found, nil
}

// AddToken adds a token to a file and returns it. It does not replace a token: a program
// may use it, and the scope could change unnoticed.
func AddToken(path, name, scope string, now time.Time) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if !slices.Contains(Scopes, scope) {
		return "", fmt.Errorf("the scope %q is not one of %s", scope, strings.Join(Scopes, ", "))
	}
	tokens := tokensOf(path)
	stored, err := tokens.read()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if _, taken := stored[name]; taken {
		return "", fmt.Errorf("there is a token %[1]s already; remove it first: bouncetail web token --remove %[1]s", name)
	}
	token := "bt_" + rand.Text()
	sum := sha256.Sum256([]byte(token))
	return token, tokens.set(name, strings.Join([]string{name, scope, hex.EncodeToString(sum[:]), now.UTC().Format(time.DateOnly)}, " "))
}

// RemoveToken removes a token from a file.
func RemoveToken(path, name string) error { return tokensOf(path).set(name, "") }

// ListTokens returns the tokens of a file by name.
func ListTokens(path string) ([]Token, error) {
	tokens, err := tokensOf(path).read()
	list := []Token{}
	for _, t := range tokens {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b Token) int { return cmp.Compare(a.Name, b.Name) })
	return list, err
}

// TokenLines lists tokens in a line each.
func TokenLines(list []Token) string {
	if len(list) == 0 {
		return "There is no token."
	}
	var lines []string
	for _, t := range list {
		lines = append(lines, fmt.Sprintf("%s  %-20s  %s", t.Added, t.Name, t.Scope))
	}
	return strings.Join(lines, "\n")
}
