package bounce

import (
	"fmt"
	"strconv"
	"strings"
)

// dsnDetails are the largest detail of each subject of the status codes that are
// registered for RFC 3463.
// https://www.iana.org/assignments/smtp-enhanced-status-codes
var dsnDetails = [...]int{0: 0, 1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30}

// DSNLabel returns a status code as a label: a registered one, or OtherValue. The other
// side chooses what Postfix logs there.
func DSNLabel(dsn string) string {
	parts := strings.Split(dsn, ".")
	if len(parts) != 3 || parts[0] != "2" && parts[0] != "4" && parts[0] != "5" {
		return OtherValue
	}
	subject, err := strconv.Atoi(parts[1])
	if err != nil || subject < 0 || subject >= len(dsnDetails) || parts[1] != strconv.Itoa(subject) {
		return OtherValue
	}
	detail, err := strconv.Atoi(parts[2])
	if err != nil || detail < 0 || detail > dsnDetails[subject] || parts[2] != strconv.Itoa(detail) {
		return OtherValue
	}
	return dsn
}

// DSNs returns the registered status codes of a class: 2, 4 or 5.
func DSNs(class int) (all []string) {
	for subject, last := range dsnDetails {
		for detail := range last + 1 {
			all = append(all, fmt.Sprintf("%d.%d.%d", class, subject, detail))
		}
	}
	return all
}
