package export

import (
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// mauticBatch is Mautic's default limit of contacts in one request.
const mauticBatch = 200

// mauticWriter writes bodies of POST /api/contacts/batch/new, one per line.
// Reason 2 is a bounce, 3 is by hand, which is all that a CSV import could express.
// Reason 0 would remove a block, also one that the contact requested, so it is not
// used.
// https://developer.mautic.org/#contacts, and in the source, mautic/mautic:
// app/bundles/LeadBundle/Entity/DoNotContact.php
type mauticWriter struct {
	w io.Writer
	n int // contacts on the current line
}

func newMautic(w io.Writer, _ Options) Writer { return &mauticWriter{w: w} }

type mauticContact struct {
	Email        string      `json:"email"`
	DoNotContact []mauticDNC `json:"doNotContact"`
}

type mauticDNC struct {
	Channel  string `json:"channel"`
	Reason   int    `json:"reason"`
	Comments string `json:"comments"`
}

func (m *mauticWriter) Write(r *bounce.Recipient) error {
	between := ","
	switch m.n {
	case 0:
		between = "["
	case mauticBatch:
		between, m.n = "]\n[", 0
	}
	m.n++
	dnc := mauticDNC{"email", 2, string(r.Reason) + ": " + r.Reply}
	if r.DecidedBy == bounce.ByHand {
		dnc.Reason, dnc.Comments = 3, "blocked by hand"
	}
	contact, err := asJSON(mauticContact{r.Recipient, []mauticDNC{dnc}})
	if err != nil {
		return err
	}
	_, err = m.w.Write(append([]byte(between), contact...))
	return err
}

func (m *mauticWriter) Close() error {
	if m.n == 0 {
		return nil
	}
	_, err := io.WriteString(m.w, "]\n")
	return err
}
