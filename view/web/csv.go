package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// RecipientWriter writes a file of recipients.
type RecipientWriter interface {
	Write(r *bounce.Recipient) error
	Close() error
}

const (
	// partRows is how many recipients are read at once: in one short transaction.
	partRows = 2000
	// partTime is how long a client may take for a part.
	partTime = 30 * time.Second
)

// serveCSV answers with the recipients that the page of recipients shows with the same
// parameters, and with those of its next pages. A file that breaks off is not complete for
// the browser.
func (s *Site) serveCSV(w http.ResponseWriter, r *http.Request) {
	if s.CSV == nil {
		s.noSuchPage(w, r)
		return
	}
	var file RecipientWriter
	b, err := browseOf(r, partRows)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.Time = queryTime / 4
	for {
		var part []bounce.Recipient
		var looked string
		err := s.turn(r.Context(), func(ctx context.Context) (err error) {
			part, looked, err = s.browse(ctx, b)
			return err
		})
		switch {
		case errors.Is(err, context.DeadlineExceeded) && file == nil:
			s.fail(w, r, noPage, http.StatusServiceUnavailable, s.tooLong())
			return
		case err != nil && file == nil:
			s.fail(w, r, noPage, http.StatusServiceUnavailable, err.Error())
			return
		case err != nil:
			panic(http.ErrAbortHandler)
		case file == nil:
			w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
			w.Header().Set("Content-Disposition", `attachment; filename="recipients.csv"`)
			file = s.CSV(w)
		}
		s.asked.Store(time.Now().UnixNano())
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(partTime)) // tests have none
		for i := range part {
			if err := file.Write(&part[i]); err != nil {
				panic(http.ErrAbortHandler) // the client has gone
			}
		}
		if len(part) == partRows {
			looked = part[len(part)-1].Recipient
		}
		if b.After = looked; looked == "" {
			break
		}
	}
	if err := file.Close(); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// browse reads recipients in one transaction.
func (s *Site) browse(ctx context.Context, b query.Browse) (part []bounce.Recipient, looked string, err error) {
	reader, err := s.Open(ctx)
	if err != nil {
		return nil, "", err
	}
	defer reader.Close()
	return reader.Browse(ctx, b)
}
