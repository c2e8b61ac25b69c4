package daemon

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/view/login"
)

// Password sets the password of a user of the pages, or removes the user. It asks for the
// password on a terminal, and otherwise reads a line.
type Password struct {
	Name   string
	Remove bool
	In     io.Reader
	Prompt io.Writer
}

// Run returns what it has done in a sentence.
func (p *Password) Run(c config.Web) (sentence string, err error) {
	switch {
	case c.UsersFile == "":
		return "", errors.New("the setting web.users_file is empty; set it, for example to /etc/bouncetail/users")
	case p.Remove:
		return p.Name + " is no user any more.", login.RemoveUser(c.UsersFile, p.Name)
	}
	password, err := login.ReadPassword(p.In, p.Prompt)
	if err != nil {
		return "", err
	}
	return p.Name + " can log in.", login.SetPassword(c.UsersFile, p.Name, password)
}

// Token makes or removes a token of a program, or lists all of them.
type Token struct {
	Name   string // empty lists them
	Scope  string
	Remove bool
	Now    time.Time
}

// Run returns the result for programs, and for people.
func (t *Token) Run(c config.Web) (object any, text string, err error) {
	type result struct {
		Name  string `json:"name"`
		Token string `json:"token,omitempty"`
	}
	switch {
	case c.TokensFile == "":
		return nil, "", errors.New("the setting web.tokens_file is empty; set it, for example to /etc/bouncetail/tokens")
	case t.Name == "":
		list, err := login.ListTokens(c.TokensFile)
		return list, login.TokenLines(list), err
	case t.Remove:
		return result{Name: t.Name}, "The token " + t.Name + " is not valid any more.", login.RemoveToken(c.TokensFile, t.Name)
	}
	made, err := login.AddToken(c.TokensFile, t.Name, t.Scope, t.Now)
	return result{t.Name, made}, made, err
}

// webWarnings returns what may be wrong with the settings of the pages.
func webWarnings(c config.Web) []string {
	var all []string
	if c.UsersFile != "" {
		if _, err := login.OpenUsers(c.UsersFile); err != nil && !errors.Is(err, os.ErrPermission) {
			all = append(all, "web.users_file: "+err.Error())
		}
	}
	if c.TokensFile != "" {
		if _, err := login.OpenTokens(c.TokensFile); err != nil && !errors.Is(err, os.ErrPermission) {
			all = append(all, "web.tokens_file: "+err.Error())
		}
	}
	if c.Write && c.UsersFile == "" && c.UserHeader == "" {
		all = append(all, "web.write: nobody can decide through the socket, since nobody has a name; set web.users_file or web.user_header")
	}
	if u, err := url.Parse(c.URL); err == nil && c.URL != "" && !slices.ContainsFunc(c.Hosts, func(host string) bool {
		return strings.EqualFold(strings.Trim(host, "[]"), u.Hostname())
	}) {
		all = append(all, fmt.Sprintf("web.url: requests for %s are refused, since web.hosts does not have that name", u.Hostname()))
	}
	return all
}
