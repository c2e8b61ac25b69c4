package sqldb

import "testing"

func TestTextsAreBoundAsTheyAre(t *testing.T) {
	var texts boxedTexts
	for _, s := range []string{"", "a", "ab", "", "a", "ab", "ba", "abc", "acb", "cab", "aab"} { // several have one place
		for range 2 {
			if got := texts.box(s); got != s {
				t.Errorf("box(%q) = %q", s, got)
			}
		}
	}
}
