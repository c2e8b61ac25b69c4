package pipeline

import (
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// deliveries are those of a chunk, on their way from the reader to the judge.
type deliveries struct {
	failed bounce.Records // without verdicts
	record bounce.Record  // reused by add
	sent   []success
	// texts holds the recipient and the host of each success. The parser has just read
	// these texts. The judge may run on another processor, and would wait for each of
	// them if they were spread over the block of the log.
	texts strings.Builder
	// seal ends the batch and holds all of it but records and successes. It is nil if
	// the batch continues.
	seal *sealedBatch
}

// success is what is stored of a successful delivery.
type success struct {
	id        bounce.EventID
	at        int64 // Unix milliseconds
	recipient int   // length of the text
	host      int   // likewise, of the server that took it
	first     bool  // see bounce.Delivery
}

func (d *deliveries) len() int { return d.failed.Len() + len(d.sent) }

// add adds a copy of a delivery.
func (d *deliveries) add(one *bounce.Delivery) {
	if one.Outcome != bounce.Sent {
		d.record.Delivery = *one
		d.failed.Add(&d.record)
		return
	}
	d.sent = append(d.sent, success{one.ID, one.At.UnixMilli(), len(one.Recipient), len(one.Reply.RelayHost), one.First})
	d.texts.WriteString(one.Recipient)
	d.texts.WriteString(one.Reply.RelayHost)
}

// judge makes batches from deliveries: it classifies those that failed.
type judge struct {
	p         *Pipeline
	batch     bounce.Batch
	domains   map[string]uint32 // indexes in batch.Domains
	providers providers
	saved     <-chan *bounce.Batch
}

// judgeAll makes batches until the channel of deliveries is closed. It returns the
// memory of deliveries through free.
func (p *Pipeline) judgeAll(in <-chan deliveries, free chan<- deliveries, sealed chan<- sealedBatch, saved <-chan *bounce.Batch) {
	j := judge{p: p, domains: make(map[string]uint32), saved: saved}
	for d := range in {
		p.judging.Beat()
		j.add(&d)
		p.judging.Idle() // the saver has its own heartbeat
		if d.seal != nil {
			sealed <- j.seal(d.seal)
		}
		d.failed.Reset()
		select {
		case free <- deliveries{failed: d.failed, sent: d.sent[:0]}:
		default:
		}
	}
}

// add adds the failed deliveries as records, and the successes.
func (j *judge) add(d *deliveries) {
	classifier := j.p.Classifier()
	j.batch.Successes = slices.Grow(j.batch.Successes, len(d.sent))
	texts := d.texts.String()
	for i := range d.sent {
		s := &d.sent[i]
		to, host := address.Parse(texts[:s.recipient]), texts[s.recipient:s.recipient+s.host]
		texts = texts[s.recipient+s.host:]
		j.batch.Successes = append(j.batch.Successes, bounce.Success{
			ID: s.id, Domain: j.domain(to.Domain), At: s.at, Key: to.Key(), Provider: j.providers.of(host, classifier), First: s.first,
		})
	}
	d.failed.Each(func(r *bounce.Record) {
		r.Verdict, r.To = classifier.Verdict(&r.Delivery), address.Parse(r.Recipient)
		j.batch.Records.Add(r)
	})
}

// domain returns the index of a domain in the batch.
func (j *judge) domain(s string) uint32 {
	n, known := j.domains[s]
	if !known {
		s = strings.Clone(s) // a substring pins the texts of a chunk
		n = uint32(len(j.batch.Domains))
		j.batch.Domains = append(j.batch.Domains, s)
		j.domains[s] = n
	}
	return n
}

// seal returns the batch for the saver, and starts the next one.
func (j *judge) seal(end *sealedBatch) sealedBatch {
	full := j.batch
	j.batch = j.emptyBatch()
	clear(j.domains)
	end.Records, end.Successes, end.Domains, end.Providers = full.Records, full.Successes, full.Domains, j.providers.slugs
	return *end
}

// emptyBatch returns an empty batch. It reuses the memory of a saved batch if there
// is one, or allocates as much as the batch before it has: batches of an import have
// megabytes.
func (j *judge) emptyBatch() bounce.Batch {
	select {
	case saved := <-j.saved:
		saved.Records.Reset()
		return bounce.Batch{Records: saved.Records, Successes: saved.Successes[:0]}
	default:
	}
	if j.p.Limits.FlushInterval == 0 { // batches are small
		return bounce.Batch{}
	}
	return bounce.Batch{Records: j.batch.Records.Like(), Successes: make([]bounce.Success, 0, len(j.batch.Successes))}
}
