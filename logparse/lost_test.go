package logparse

import "testing"

// What namesRecipient refuses is not looked at further.
func TestNamesRecipient(t *testing.T) {
	for line, want := range map[string]bool{
		"": false, "=": false, "o=": false, "to": false, "connect from mx.b.example[192.0.2.1]": false, "from=<a@b.example>, size=1": false,
		"to=": true, "4XQm: to=<a@b.example>, relay=none": true, "TO=<a@b.example>": true, "from=<>, a=b, orig_to=<c>": true,
	} {
		if got := namesRecipient(line); got != want {
			t.Errorf("namesRecipient(%q) = %v", line, got)
		}
	}
}
