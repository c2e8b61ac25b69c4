package export

import (
	"io"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// newOdoo writes records of mail.blacklist, whose email is unique and in lower case.
// Odoo's import adds new addresses and skips existing ones, so rows with active FALSE
// are for scripts.
// https://github.com/odoo/odoo/blob/17.0/addons/mail/models/mail_blacklist.py
func newOdoo(w io.Writer, _ Options) Writer {
	return newCells(w, ',', []string{"email", "active"}, func(r *bounce.Recipient) []string {
		active := "FALSE"
		if r.State == bounce.StateBad {
			active = "TRUE"
		}
		return []string{strings.ToLower(r.Recipient), active}
	})
}
