package login

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"
)

const (
	// cost is that of new passwords: a quarter of a second.
	cost = 12
	// maxCost is the highest that is accepted: two seconds.
	maxCost = 15
	// minPassword and maxPassword are lengths in bytes. bcrypt ignores what follows.
	minPassword = 10
	maxPassword = 72
)

// Users are people with passwords, in a file of lines name:bcrypt as that of Prometheus
// or of htpasswd -B.
type Users struct {
	file  *file[string]
	tries limiter
	slots chan struct{} // of the passwords that are compared at the same time
}

// OpenUsers reads the file of users, to report what is wrong with it.
func OpenUsers(path string) (*Users, error) {
	u := &Users{file: usersOf(path), tries: limiter{rate: 5.0 / 60, burst: 5}, slots: make(chan struct{}, 2)}
	users, err := u.file.read()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist; bouncetail web passwd NAME makes it", path)
	case err != nil:
		return nil, err
	case len(users) == 0:
		return nil, fmt.Errorf("%s has no user; bouncetail web passwd NAME adds one", path)
	}
	return u, nil
}

func parseUser(line string) (name, hash string, err error) {
	name, hash, _ = strings.Cut(line, ":")
	if err := checkName(name); err != nil {
		return "", "", err
	}
	if of, err := bcrypt.Cost([]byte(hash)); err != nil || len(hash) != 60 || of > maxCost {
		return "", "", fmt.Errorf(
			"the password of %s is not a bcrypt hash with a cost of at most %d; set it with bouncetail web passwd %s",
			name, maxCost, name,
		)
	}
	return name, hash, nil
}

// TooMany is the error of a user whose password was tried too often. It says when the
// next try is possible.
type TooMany time.Duration

func (e TooMany) Error() string {
	return fmt.Sprintf("Too many attempts for this name. Try again in %v.", time.Duration(e).Round(time.Second))
}

// ErrWrong is the error of a wrong name or password.
var ErrWrong = errors.New("the name or the password is wrong")

// Check compares a password. It returns ErrWrong or TooMany, and takes as long for a user
// that does not exist as for one that does.
func (u *Users) Check(ctx context.Context, name, password string) error {
	users, err := u.file.read()
	if err != nil {
		return err
	}
	if wait := u.tries.wait(name, time.Now()); wait > 0 {
		return TooMany(wait)
	}
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	hash, known := users[name]
	if !known {
		hash = nobody(users)
	}
	if len(password) > maxPassword {
		password, known = password[:maxPassword], false
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); err != nil || !known {
		return ErrWrong
	}
	u.tries.reset(name)
	return nil
}

// nobody returns a hash that no password has, as expensive as the most expensive one.
func nobody(users map[string]string) string {
	most := bcrypt.MinCost
	for _, hash := range users {
		if of, err := bcrypt.Cost([]byte(hash)); err == nil {
			most = max(most, of)
		}
	}
	return fmt.Sprintf("$2a$%02d$%s", most, strings.Repeat(".", 53))
}

// Mark returns a text that changes with the password of a user. It is empty for a user
// that does not exist.
func (u *Users) Mark(name string) string {
	users, err := u.file.read()
	hash, known := users[name]
	if err != nil || !known {
		return ""
	}
	sum := sha256.Sum256([]byte(hash))
	return hex.EncodeToString(sum[:])
}

// SetPassword adds a user to a file, or changes the password.
func SetPassword(path, name, password string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if n := len(password); n < minPassword || n > maxPassword {
		return fmt.Errorf("a password has %d to %d bytes; this one has %d", minPassword, maxPassword, n)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return err
	}
	return usersOf(path).set(name, name+":"+string(hash))
}

// RemoveUser removes a user from a file.
func RemoveUser(path, name string) error { return usersOf(path).set(name, "") }

func usersOf(path string) *file[string] { return &file[string]{path: path, parse: parseUser} }

// ReadPassword asks for a password twice on a terminal, and reads a line otherwise.
func ReadPassword(in io.Reader, prompt io.Writer) (string, error) {
	f, isFile := in.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, 1024)).ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}
	ask := func(what string) (string, error) {
		fmt.Fprint(prompt, what+": ")
		given, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(prompt)
		return string(given), err
	}
	first, err := ask("Password")
	if err != nil {
		return "", err
	}
	again, err := ask("Again")
	if err == nil && again != first {
		err = errors.New("the passwords differ; nothing was changed")
	}
	return first, err
}
