package bounce

import (
	"fmt"
	"sync"
)

// dsnDetails are the largest detail of each subject of the status codes that are
// registered for RFC 3463.
// https://www.iana.org/assignments/smtp-enhanced-status-codes
var dsnDetails = [...]int{0: 0, 1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30}

// DSNLabel returns a status code as a label: a registered one, or OtherValue. The other
// side chooses what Postfix logs there.
func DSNLabel(dsn string) string {
	if registeredDSNs()[dsn] {
		return dsn
	}
	return OtherValue
}

var registeredDSNs = sync.OnceValue(func() map[string]bool {
	all := make(map[string]bool)
	for _, class := range []int{2, 4, 5} {
		for _, dsn := range DSNs(class) {
			all[dsn] = true
		}
	}
	return all
})

// DSNs returns the registered status codes of a class: 2, 4 or 5.
func DSNs(class int) (all []string) {
	for subject, last := range dsnDetails {
		for detail := range last + 1 {
			all = append(all, fmt.Sprintf("%d.%d.%d", class, subject, detail))
		}
	}
	return all
}
