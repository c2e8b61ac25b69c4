package address_test

import (
	"testing"

	"github.com/bouncetail/bouncetail/address"
)

func TestPersonTakesQuotedLocalParts(t *testing.T) {
	for given, ok := range map[string]bool{
		`"john, doe"@b.example`: true, `jane@b.example`: true, `<jane@b.example>`: true, `root`: true,
		`a@b.example, c@d.example`: false, `"a"@b.example, c@d.example`: false, `"a"@b.example "c"@d.example`: false,
		`john doe@b.example`: true, `john,doe@b.example`: true, "john\tdoe@b.example": false, "a@b.example c@d.example": false, `"@b.example`: true, `""@b c.example`: false, `@b.example`: false, ``: false,
	} {
		if _, err := address.Person(given); (err == nil) != ok {
			t.Errorf("Person(%q): %v", given, err)
		}
	}
}
