package classify

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// enhancedMeanings are the codes of the IANA registry of enhanced status codes
// that are specific enough to decide, without their class. X.0.0, X.7.1 and
// their like say nothing.
var enhancedMeanings = map[string]Says{
	"1.1":   {bounce.InvalidAddress, bounce.NoSuchUser, bounce.ScopeRecipient, bounce.Permanent},
	"1.2":   {bounce.InvalidAddress, bounce.NoSuchDomain, bounce.ScopeDomain, bounce.Permanent},
	"1.3":   {bounce.InvalidAddress, bounce.BadSyntax, bounce.ScopeRecipient, bounce.Permanent},
	"1.6":   {bounce.Mailbox, bounce.MailboxMoved, bounce.ScopeRecipient, bounce.Permanent},
	"1.7":   {bounce.Rejection, bounce.SenderRejected, bounce.ScopeSender, bounce.Permanent},
	"1.8":   {bounce.Rejection, bounce.SenderDomain, bounce.ScopeSender, bounce.Permanent},
	"1.10":  {bounce.Mailbox, bounce.NullMX, bounce.ScopeDomain, bounce.Permanent},
	"2.1":   {bounce.InvalidAddress, bounce.AccountDisabled, bounce.ScopeRecipient, bounce.Permanent},
	"2.2":   {bounce.MailboxFull, bounce.MailboxFullReason, bounce.ScopeRecipient, bounce.Retry},
	"2.3":   {bounce.Rejection, bounce.MessageTooLarge, bounce.ScopeMessage, bounce.Permanent},
	"3.1":   {bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry},
	"3.2":   {bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry},
	"3.5":   {bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry},
	"3.4":   {bounce.Rejection, bounce.MessageTooLarge, bounce.ScopeMessage, bounce.Permanent},
	"4.1":   {bounce.RecipientError, bounce.ConnectionFailed, bounce.ScopeNetwork, bounce.Retry},
	"4.2":   {bounce.RecipientError, bounce.ConnectionFailed, bounce.ScopeNetwork, bounce.Retry},
	"4.3":   {bounce.RecipientError, bounce.DNSFailure, bounce.ScopeNetwork, bounce.Retry},
	"4.4":   {bounce.RecipientError, bounce.DNSFailure, bounce.ScopeNetwork, bounce.Retry},
	"4.5":   {bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry},
	"4.7":   {bounce.RecipientError, bounce.MessageExpired, bounce.ScopeNetwork, bounce.Permanent},
	"4.6":   {bounce.Rejection, bounce.MailLoop, bounce.ScopeMessage, bounce.Permanent},
	"6.0":   {bounce.Rejection, bounce.BadMessage, bounce.ScopeMessage, bounce.Permanent},
	"5.2":   {bounce.RecipientError, bounce.ProtocolError, bounce.ScopeNetwork, bounce.Permanent},
	"5.3":   {bounce.RateLimit, bounce.RateLimited, bounce.ScopeSender, bounce.Retry},
	"6.1":   {bounce.Rejection, bounce.BadMessage, bounce.ScopeMessage, bounce.Permanent},
	"6.3":   {bounce.Rejection, bounce.BadMessage, bounce.ScopeMessage, bounce.Permanent},
	"6.7":   {bounce.RecipientError, bounce.ProtocolError, bounce.ScopeMessage, bounce.Permanent},
	"4.312": {bounce.RecipientError, bounce.DNSFailure, bounce.ScopeNetwork, bounce.Retry},
	"7.703": {bounce.Blocked, bounce.PolicyBlock, bounce.ScopeSender, bounce.Permanent},
	"7.705": {bounce.SenderReputation, bounce.BadReputation, bounce.ScopeSender, bounce.Permanent},
	"7.8":   {bounce.RecipientError, bounce.AuthRequired, bounce.ScopeLocal, bounce.Retry},
	"7.10":  {bounce.RecipientError, bounce.TLSFailed, bounce.ScopeNetwork, bounce.Retry},
	"7.11":  {bounce.RecipientError, bounce.TLSFailed, bounce.ScopeNetwork, bounce.Retry},
	"7.13":  {bounce.InvalidAddress, bounce.AccountDisabled, bounce.ScopeRecipient, bounce.Permanent},
	"7.20":  {bounce.DMARC, bounce.DKIMFailed, bounce.ScopeSender, bounce.Permanent},
	"7.23":  {bounce.Rejection, bounce.SPFFailed, bounce.ScopeSender, bounce.Permanent},
	"7.25":  {bounce.Rejection, bounce.NoReverseDNS, bounce.ScopeSender, bounce.Permanent},
	"7.26":  {bounce.DMARC, bounce.DMARCFailed, bounce.ScopeSender, bounce.Permanent},
	"7.21":  {bounce.DMARC, bounce.DKIMFailed, bounce.ScopeSender, bounce.Permanent},
	"7.22":  {bounce.DMARC, bounce.DKIMFailed, bounce.ScopeSender, bounce.Permanent},
	"7.24":  {bounce.Rejection, bounce.SPFFailed, bounce.ScopeSender, bounce.Permanent},
	"7.27":  {bounce.Rejection, bounce.SenderDomain, bounce.ScopeSender, bounce.Permanent},
	"7.28":  {bounce.RateLimit, bounce.RateLimited, bounce.ScopeSender, bounce.Retry},
}

func byEnhanced(code string) (bounce.Verdict, bool) {
	if len(code) < 5 {
		return bounce.Verdict{}, false
	}
	says, ok := enhancedMeanings[code[2:]]
	return says.verdict("enhanced/" + code), ok
}

// byCodes asks the layers behind the rules.
func byCodes(j *judged) bounce.Verdict {
	v, specific := byEnhanced(j.enhanced)
	if p := pair(j.code, j.enhanced); !j.hasWords() && GuideErrs[p] == "" && !slices.Contains(guide[p], v.Category) {
		if v, ok := byGuide(j.code, j.enhanced, true); ok {
			return v
		}
	}
	if specific {
		return besideWords(v, j)
	}
	if v, ok := byGuide(j.code, j.enhanced, false); ok {
		return v
	}
	if j.code/100 == 5 && j.hasWords() && j.reading().passing {
		return Says{bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry}.verdict("class/5xx-passing")
	}
	return byClass(j.code)
}

// besideWords returns the verdict of an enhanced code, or another one if the words of the
// reply dispute that the address is bad, or do not say so where it takes more than the code.
func besideWords(v bounce.Verdict, j *judged) bounce.Verdict {
	switch {
	case j.enhanced == "5.2.1" && j.isUnclear():
		return Says{bounce.RecipientError, bounce.MailboxError, bounce.ScopeRecipient, bounce.Permanent}.verdict("enhanced/5.2.1-unclear")
	case j.enhanced == "5.1.2" && j.isUnclear():
		return Says{bounce.RecipientError, bounce.RelayDenied, bounce.ScopeDomain, bounce.Permanent}.verdict("enhanced/5.1.2-unclear")
	case !v.Reason.AddressBad() || !j.hasWords() || j.reading().undisputed():
		return v
	}
	v.Rule = "enhanced/" + j.enhanced + "-disputed"
	if j.reading().passing {
		return with(v, bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry)
	}
	return with(v, bounce.Unclassified, bounce.Unknown, bounce.ScopeNetwork, v.Disposition)
}

// isUnclear reports whether nothing disputes a code that says that the address is bad,
// but the reply is in words that are known, and they do not say so: "550 5.2.1 The
// mailbox sleeps". Of the labelled replies no bad address was found by such a
// code alone, and living ones were.
func (j *judged) isUnclear() bool {
	r := j.reading()
	return len(r.statements) == 0 && r.knownWords > 0 && r.undisputed()
}

// byStatus decides by the status that Sendmail logs, because its stat= only names
// the class of the SMTP code: "User unknown" stands for any 550, 551 or 553 after
// RCPT TO, "Service unavailable" for any other 5xx (usersmtp.c).
func byStatus(j *judged) (bounce.Verdict, bool) {
	if j.mta != bounce.Sendmail || j.way == localWay || len(j.dsn) < 5 || !statusPhrases[strings.TrimRight(j.words, ".: ")] {
		return bounce.Verdict{}, false
	}
	rule := "status/" + j.dsn
	switch detail := j.dsn[2:]; {
	case detail == "1.3" || detail == "1.6":
		// Sendmail derives these from the SMTP code alone.
		return Says{bounce.Mailbox, bounce.MailboxError, bounce.ScopeRecipient, bounce.Permanent}.verdict(rule), true
	case enhancedMeanings[detail].Category != "":
		return enhancedMeanings[detail].verdict(rule), true
	case strings.HasPrefix(detail, "7."):
		return Says{bounce.Blocked, bounce.PolicyBlock, bounce.ScopeSender, bounce.Permanent}.verdict(rule), true
	case strings.HasPrefix(detail, "6."):
		return Says{bounce.Rejection, bounce.BadMessage, bounce.ScopeMessage, bounce.Permanent}.verdict(rule), true
	case strings.HasPrefix(detail, "5."):
		return Says{bounce.RecipientError, bounce.ProtocolError, bounce.ScopeNetwork, bounce.Permanent}.verdict(rule), true
	case strings.HasPrefix(j.words, "user unknown"):
		return Says{bounce.Mailbox, bounce.MailboxError, bounce.ScopeRecipient, bounce.Permanent}.verdict(rule), true
	case strings.HasPrefix(j.words, "service unavailable"):
		return Says{bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Permanent}.verdict(rule), true
	}
	return bounce.Verdict{}, false
}

// statusPhrases are the values of stat= that only name a class of codes.
var statusPhrases = map[string]bool{
	"user unknown": true, "service unavailable": true, "data format error": true, "deferred": true, "remote protocol error": true,
	"bad usage": true, "unknown error": true, "permission denied": true,
}

// byClass says no more than whether trying again may help.
func byClass(code int) bounce.Verdict {
	v := Says{bounce.Unclassified, bounce.Unknown, bounce.ScopeNetwork, bounce.Permanent}.verdict("class/none")
	switch code / 100 {
	case 4:
		v.Disposition, v.Rule = bounce.Retry, "class/4xx"
	case 5:
		v.Rule = "class/5xx"
	}
	return v
}

// guideRows are the rows of the guide to SMTP errors: category, SMTP code,
// enhanced code.
//
//go:embed guide.tsv
var guideRows string

// misleading are the pairs for which the guide's category is wrong more often
// than right, measured on public replies: they say nothing without a text.
var misleading = map[string]bool{
	"550 5.7.1": true, "550 5.7.0": true, "554 5.7.1": true, "553": true, "452": true,
	"554 5.2.2": true, "501": true, "571": true, "553 5.7.2": true, "450": true,
	"450 4.1.1": true, "553 5.7.1": true, "553 5.3.0": true, "550 5.2.0": true,
	"550": true, "554": true, "550 5.0.0": true, "554 5.0.0": true,
}

// GuideErrs are the pairs of codes for which the guide's category is not
// followed even where nothing but the codes is known, each with the reason.
var GuideErrs = map[string]string{
	"450 4.2.2":   "X.2.2 is a full mailbox (RFC 3463), and 452 4.2.2 stands under that in the guide too",
	"550 4.2.2":   "X.2.2 is a full mailbox (RFC 3463)",
	"522 5.2.2":   "X.2.2 is a full mailbox (RFC 3463)",
	"554 5.2.2":   "X.2.2 is a full mailbox (RFC 3463), and who sends it means that",
	"550 5.7.8":   "X.7.8 means wrong credentials (RFC 4954), not DMARC",
	"550 5.4.312": "a DNS query failed, which may pass: the address is not bad for it",
	"521 5.3.2":   "521 is a host that takes no mail (RFC 7504), whatever the address",
	"550 5.7.703": "the sender's organisation is blocked by the receiving tenant's list",
	"550 5.7.705": "the sender's tenant has exceeded its threshold",
}

// pair writes two codes as the guide does.
func pair(code int, enhanced string) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, enhanced))
}

// fallbacks are the verdicts for a category of the guide, where no text says
// more.
var fallbacks = map[bounce.Category]Says{
	bounce.Blocked:        {bounce.Blocked, bounce.PolicyBlock, bounce.ScopeSender, bounce.Permanent},
	bounce.DMARC:          {bounce.DMARC, bounce.DMARCFailed, bounce.ScopeSender, bounce.Permanent},
	bounce.InvalidAddress: {bounce.InvalidAddress, bounce.NoSuchUser, bounce.ScopeRecipient, bounce.Permanent},
	bounce.Mailbox:        {bounce.Mailbox, bounce.MailboxError, bounce.ScopeRecipient, bounce.Permanent},
	bounce.MailboxFull:    {bounce.MailboxFull, bounce.MailboxFullReason, bounce.ScopeRecipient, bounce.Retry},
	bounce.RateLimit:      {bounce.RateLimit, bounce.RateLimited, bounce.ScopeSender, bounce.Retry},
	bounce.RecipientError: {bounce.RecipientError, bounce.RecipientRefused, bounce.ScopeRecipient, bounce.Permanent},
	bounce.Rejection:      {bounce.Rejection, bounce.PolicyBlock, bounce.ScopeSender, bounce.Permanent},
}

// guide maps a pair such as "550 5.1.1" to its categories.
var guide = func() map[string][]bounce.Category {
	pairs := make(map[string][]bounce.Category)
	for row := range strings.Lines(guideRows) {
		fields := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		pair := strings.TrimSpace(fields[1] + " " + fields[2])
		if category := bounce.Category(fields[0]); !slices.Contains(pairs[pair], category) {
			pairs[pair] = append(pairs[pair], category)
		}
	}
	return pairs
}()

// byGuide decides for pairs to which the guide gives one category, and which
// do not mislead. Where the reply is bare codes, the guide is all there is:
// then it decides for every pair that it has.
func byGuide(code int, enhanced string, bare bool) (bounce.Verdict, bool) {
	pair := pair(code, enhanced)
	categories := guide[pair]
	if len(categories) == 0 || !bare && (len(categories) > 1 || misleading[pair]) {
		return bounce.Verdict{}, false
	}
	category := categories[0]
	if slices.Contains(categories, bounce.InvalidAddress) {
		category = bounce.InvalidAddress // the most frequent of them
	}
	return fallbacks[category].verdict("guide/" + strings.ReplaceAll(pair, " ", "-")), true
}
