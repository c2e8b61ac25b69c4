package address

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/openfile"
)

// Error describes what is wrong with an address that a person wrote.
type Error struct{ Address, Why string }

func (e Error) Error() string { return fmt.Sprintf("%q %s", e.Address, e.Why) }

// Given parses an address that a person wrote. It refuses what no mail server accepts
// as a recipient. An address without @ may be a local user, which only the database
// knows.
func Given(given string) (bounce.Address, error) {
	to := Parse(strings.TrimSpace(given))
	return to, Unusual(to)
}

// Asked is Given, but takes unusual addresses. A log may have named one: a server that
// logs addresses without quotes writes a comma of the local part as it is.
func Asked(given string) bounce.Address { return Parse(strings.TrimSpace(given)) }

// Doubt returns an Error if an address is to be taken only if the database knows it: it is
// Unusual, or has no domain.
func Doubt(to bounce.Address) error {
	if err := Unusual(to); err != nil || to.Domain != "" {
		return err
	}
	return Error{to.Normal, "has no @, and no local user of that name is known; write the whole address"}
}

// Unusual returns an Error if a person can hardly mean an address, as with two addresses
// in one word. It is taken only if the database knows it.
func Unusual(to bounce.Address) error {
	given := to.Normal
	at := strings.LastIndexByte(given, '@')
	switch {
	case given == "":
		return Error{given, "is empty; give an address such as jane@example.com"}
	case strings.ContainsFunc(given, isOr(unicode.IsControl, "\uFFFD")),
		strings.ContainsFunc(to.Domain, isOr(unicode.IsSpace, `<>,;"`)),
		!strings.HasPrefix(given, `"`) && strings.ContainsFunc(given, isOr(unicode.IsSpace, `<>,;"`)):
		return Error{given, "is no address: it has a space or a sign in it that none has"}
	case at == 0:
		return Error{given, "is no address: there is no name before the @"}
	case at > 0 && to.Domain == "":
		return Error{given, "is no address: there is no domain behind the @"}
	case len(given) > 512:
		return Error{given[:40] + "…", "is no address: it is too long"}
	}
	return nil
}

// isOr returns whether a character is of a class or among others.
func isOr(class func(rune) bool, others string) func(rune) bool {
	return func(r rune) bool { return class(r) || strings.ContainsRune(others, r) }
}

// Person parses the address of a person whose traces are to be deleted. Nothing is
// deleted for several addresses in one word. Unusual addresses are taken.
func Person(given string) (bounce.Address, error) {
	to := Parse(strings.Trim(given, "<> "))
	local := strings.TrimSuffix(strings.TrimSuffix(to.Normal, to.Domain), "@")
	unquoted := to.Normal
	if quotedString.MatchString(local) {
		unquoted = to.Domain
	}
	several := strings.ContainsAny(to.Domain, " ,;") || strings.ContainsAny(unquoted, " ,;") && strings.Count(unquoted, "@") != 1
	if local == "" || several || strings.ContainsFunc(to.Normal, unicode.IsControl) || to.Domain == "" && strings.Contains(to.Normal, "@") {
		return to, fmt.Errorf("%q is no address; give one such as jane@example.com, or the name of a local user", given)
	}
	return to, nil
}

// quotedString matches a local part in quotes (RFC 5321, section 4.1.2).
var quotedString = regexp.MustCompile(`^"(?:[^"\\]|\\.)+"$`)

// eachLine calls each for the lines of a list with their numbers. Empty lines and those
// that begin with # are skipped.
func eachLine(in io.Reader, each func(n int, line string) error) error {
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
			if err := each(n, line); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// FileLines is eachLine of a file that a flag names, or of standard input if the path is -.
// Each gets the name for messages too.
func FileLines(flag, path string, stdin io.Reader, each func(name string, n int, line string) error) error {
	in, name := stdin, "standard input"
	if path != "-" {
		f, err := openfile.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: %s does not exist; check the spelling", flag, path)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		defer f.Close()
		in, name = f, path
	}
	var reported error
	err := eachLine(in, func(n int, line string) error {
		reported = each(name, n, line)
		return reported
	})
	if err != nil && reported == nil {
		return fmt.Errorf("%s: %w; it has to hold one address a line", name, err)
	}
	return err
}

// GivenInFile is Given for the lines of a file, see FileLines.
func GivenInFile(flag, path string, stdin io.Reader) (all []bounce.Address, err error) {
	err = FileLines(flag, path, stdin, func(name string, n int, line string) error {
		to, err := Given(line)
		if err != nil {
			return fmt.Errorf("%s, line %d: %w; nothing was changed", name, n, err)
		}
		all = append(all, to)
		return nil
	})
	return all, err
}
