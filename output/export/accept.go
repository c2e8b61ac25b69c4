package export

import (
	"strings"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/address"
)

// acceptance states which addresses the program of a format stores unchanged, and why
// the others are left out of the file. Attackers can choose addresses in an export, by
// subscribing with one or by forging one as the sender of mail that bounces.
// docs/exports.md shows the table.
type acceptance struct {
	accepts func(address string) bool
	what    string // which addresses the file may contain
	why     string // what the program does with the others, and the source
}

// Shared values of acceptance.what.
const (
	everything = "every address"
	plainOnly  = "dot-atom addresses at a host name, 254 bytes at most"
	noFormulas = plainOnly + ", not beginning with `=`, `+`, `-` or `@`"

	// noAccents is a part of acceptance.why.
	noAccents = "MySQL and MariaDB usually compare without accents, so `jörg@` would also stand for `jorg@`."
)

var acceptances = map[string]acceptance{
	"csv": {
		func(string) bool { return true }, everything,
		"A cell can contain any text. Texts that a spreadsheet would interpret as formulas get an apostrophe in front.",
	},
	"ndjson": {func(string) bool { return true }, everything, "JSON escapes special characters."},
	"json":   {func(string) bool { return true }, everything, "JSON escapes special characters."},
	"plain": {
		address.OneLine, "addresses without control characters and line breaks",
		"A reader would see two lines. Quoted local parts and local users are in the file.",
	},

	// POST /v3/{domain}/bounces/import validates each address.
	"mailgun-csv": {spreadsheetSafe, noFormulas, "Mailgun validates each address. Documentation read."},
	// internal/subimporter of listmonk: net/mail must parse the address to itself,
	// and the result is stored in lower case. The rule here is stricter.
	"listmonk-csv": {spreadsheetSafe, noFormulas, "listmonk answers 400 to the others in its API, and skips them in an import. Tried."},
	"brevo":        {address.Plain, plainOnly, "One invalid address in the body can make Brevo refuse all. Documentation read."},
	"brevo-csv":    {spreadsheetSafe, noFormulas, "Brevo skips invalid addresses. Documentation read."},
	"hubspot-csv":  {spreadsheetSafe, noFormulas, "HubSpot skips invalid addresses. Not verified."},
	// Mautic answers 201 to a batch in which single contacts failed.
	"mautic": {
		func(a string) bool { return address.Plain(a) && ascii(a) }, plainOnly + ", in ASCII",
		"Mautic validates each address and reports those that it refuses only in the body of a 201. " + noAccents + " Source read.",
	},
	"civicrm-csv": {
		func(a string) bool { return spreadsheetSafe(a) && ascii(a) }, noFormulas + ", in ASCII",
		"The file is made for a script. " + noAccents + " Source read.",
	},
	// tools.email_normalize: getaddresses parses the cell.
	"odoo-csv": {spreadsheetSafe, noFormulas, "One address that Odoo's parser refuses, such as `x@[192.0.2.9]`, ends the import. Source read."},
	// public_html/lists/admin/suppressionlist.php puts each line between double
	// quotes into an UPDATE statement, without escaping: an address with a quote
	// is SQL, and unsubscribed every subscriber.
	"phplist": {
		func(a string) bool { return address.Unquoted(a) && ascii(a) && len(a) <= 255 },
		"addresses at a host name in ASCII without quotes, backslashes, spaces and control characters, 255 bytes at most",
		"phpList puts each line into SQL between double quotes without escaping it. " + noAccents + " Tried.",
	},
	// src/libserver/maps/map_helpers.c: a key ends at a space or #. A quote or a slash
	// at the start begins another kind of key.
	"rspamd": {
		func(a string) bool {
			return address.Unquoted(a) && asciiLocal(a) && !strings.Contains(a, "#") && a[0] != '/'
		},
		"addresses at a host name whose local part is ASCII without quotes, backslashes, spaces and `#`, and does not begin with `/`",
		"A map's key ends at a space or `#`. Rspamd does not match other local parts. Tried.",
	},
	"mailcow": {
		func(a string) bool { return address.Unquoted(a) && asciiLocal(a) },
		"addresses at a host name whose local part is ASCII without quotes, backslashes and spaces",
		"Each line is an anchored regular expression with every special character escaped. Source read.",
	},
}

// spreadsheetSafe also refuses addresses that a spreadsheet interprets as a formula. An
// apostrophe would make another address of them.
func spreadsheetSafe(a string) bool { return address.Plain(a) && defused(a) == a }

// asciiLocal reports whether the part before the last @ is ASCII, or all if there is none.
func asciiLocal(a string) bool {
	at := strings.LastIndexByte(a, '@')
	if at < 0 {
		at = len(a)
	}
	return ascii(a[:at])
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// Rejects reports whether the program of a format cannot store an address as it
// is, so that the address is left out of the file. A format without an acceptance rejects
// every address.
func (f Format) Rejects(a string) bool {
	takes, known := acceptances[f.Name]
	return !known || !takes.accepts(a)
}

// Takes describes which addresses a format accepts, and what its program does with
// others.
func (f Format) Takes() (what, why string) {
	a := acceptances[f.Name]
	return a.what, a.why
}
