// Package lazyre compiles regular expressions when they are first used. Those of parsing
// and classifying took half of the processor time of a command that uses none of them.
package lazyre

import (
	"regexp"
	"sync"
)

// A Regexp is a regular expression that is compiled by the first call of a method. That
// panics if it is invalid. The methods are those of regexp.Regexp.
type Regexp struct{ compiled func() *regexp.Regexp }

var all []*Regexp

// New returns a regular expression of the program, which CompileAll compiles. It may only
// be called while packages are initialized.
func New(pattern string) *Regexp {
	r := Valid(pattern)
	all = append(all, r)
	return r
}

// Valid returns a regular expression that the caller knows to be valid.
func Valid(pattern string) *Regexp {
	return &Regexp{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })}
}

// CompileAll compiles all expressions of the program and returns their number. Packages
// that have some call it in a test.
func CompileAll() int {
	for _, r := range all {
		r.compiled()
	}
	return len(all)
}

func (r *Regexp) FindAllString(s string, n int) []string { return r.compiled().FindAllString(s, n) }

func (r *Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return r.compiled().FindAllStringSubmatch(s, n)
}

func (r *Regexp) FindString(s string) string { return r.compiled().FindString(s) }

func (r *Regexp) FindStringIndex(s string) []int { return r.compiled().FindStringIndex(s) }

func (r *Regexp) FindStringSubmatch(s string) []string { return r.compiled().FindStringSubmatch(s) }

func (r *Regexp) FindStringSubmatchIndex(s string) []int {
	return r.compiled().FindStringSubmatchIndex(s)
}

func (r *Regexp) MatchString(s string) bool { return r.compiled().MatchString(s) }

func (r *Regexp) ReplaceAll(s, to []byte) []byte { return r.compiled().ReplaceAll(s, to) }

func (r *Regexp) ReplaceAllString(s, to string) string { return r.compiled().ReplaceAllString(s, to) }

func (r *Regexp) ReplaceAllStringFunc(s string, to func(string) string) string {
	return r.compiled().ReplaceAllStringFunc(s, to)
}

func (r *Regexp) Split(s string, n int) []string { return r.compiled().Split(s, n) }

func (r *Regexp) SubexpIndex(name string) int { return r.compiled().SubexpIndex(name) }
