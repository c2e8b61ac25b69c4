package doctor

import "testing"

// logrotate's settings are written by hand and by many packages.
func FuzzRotations(f *testing.F) {
	f.Add("/var/log/mail.log {\n\trotate 4\n\tcreate 0640 root adm\n\tpostrotate\n\t\tx } {\n\tendscript\n}\n")
	f.Add("weekly\n\"/var/log/a b\" /c\n{ copytruncate }\n}\n")
	f.Fuzz(func(t *testing.T, given string) {
		general := make(map[string][]string)
		for _, r := range parseRotations("x", given, general) {
			if r.says == nil {
				t.Errorf("an entry without directives of its own: %+v", r)
			}
			d := &examiner{as: &account{name: daemonUser, only: true}}
			d.judgeRotation("/var/log/mail.log", &r)
			if len(d.results) == 0 {
				t.Errorf("nothing is said of %+v", r)
			}
		}
	})
}
