// Package oneof looks for one of several texts in another.
package oneof

import "strings"

// HasPrefix reports whether a text begins with one of some prefixes.
func HasPrefix(text string, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// Contains reports whether a text holds one of some parts.
func Contains(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
