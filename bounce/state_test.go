package bounce

import "testing"

func TestParseState(t *testing.T) {
	for _, s := range []State{StateBad, StateSuspect, StateFailing, StateOK} {
		if got, err := ParseState(string(s)); got != s || err != nil {
			t.Errorf("ParseState(%q) = %q, %v", s, got, err)
		}
	}
	for name, want := range map[string]string{
		"retry": `the state "retry" is now called "failing"`,
		"":      `"" is not one of bad, suspect, failing, ok`,
	} {
		if _, err := ParseState(name); err == nil || err.Error() != want {
			t.Errorf("ParseState(%q) gives %v, want %s", name, err, want)
		}
	}
}

// A change would import every failure of a message with several recipients again.
func TestForRecipientNeverChanges(t *testing.T) {
	id := NewEventID(1795425601, "an example of a line")
	for to, want := range map[string]string{
		"jane@example.com": "6b04054153a3d0efd0a838d2",
		"":                 "6b040541c75eb5f0c22b300f",
	} {
		if got := id.ForRecipient(to).String(); got != want {
			t.Errorf("ForRecipient(%q) = %s, want %s", to, got, want)
		}
	}
}
