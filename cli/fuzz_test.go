package cli

import (
	"strings"
	"testing"
	"unicode"
)

// logrotate's settings are written by hand and by many packages.
func FuzzRotations(f *testing.F) {
	f.Add("/var/log/mail.log {\n\trotate 4\n\tcreate 0640 root adm\n\tpostrotate\n\t\tx } {\n\tendscript\n}\n")
	f.Add("weekly\n\"/var/log/a b\" /c\n{ copytruncate }\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		general := make(map[string][]string)
		for _, r := range parseRotations("x", text, general) {
			if r.says == nil {
				t.Errorf("an entry without directives of its own: %+v", r)
			}
			d := &doctor{as: &account{name: daemonUser, only: true}}
			d.judgeRotation("/var/log/mail.log", &r)
			if len(d.findings) == 0 {
				t.Errorf("nothing is said of %+v", r)
			}
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31m \u009b \u202e \xff tab\t")
	f.Fuzz(func(t *testing.T, text string) {
		shown := printable(text)
		if strings.ContainsFunc(shown, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("printable(%q) is %q", text, shown)
		}
	})
}
