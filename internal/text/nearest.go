package text

import (
	"fmt"
	"slices"
	"strings"
)

// Similar returns the nearest name if the word may be a misspelling of it, or its
// beginning, or "".
func Similar(word string, names []string) string {
	word = strings.ToLower(word)
	nearest, best := "", 1<<30
	for _, name := range names {
		if d := distance(word, name); d < best || d == best && name < nearest {
			nearest, best = name, d
		}
	}
	switch begun := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, word+"-") }); {
	case len(word) < 2:
		return ""
	case best <= max(2, 1+len(word)/4):
		return nearest
	case begun >= 0:
		return names[begun]
	}
	return ""
}

// distance returns the Levenshtein distance: the number of bytes to insert, delete or
// replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Near suggests the value that somebody may have meant, for the end of a message. It is
// empty if none is similar.
func Near(word string, values []string) string {
	if nearest := Similar(word, values); nearest != "" {
		return fmt.Sprintf("; did you mean %s?", nearest)
	}
	return ""
}

// OneOf returns an error if a word is not one of those that are known.
func OneOf(word string, known []string) error {
	if slices.Contains(known, word) {
		return nil
	}
	return fmt.Errorf("%q is not one of %s%s", word, strings.Join(known, ", "), Near(word, known))
}
