package bounce

// Meaning describes a category or a reason to an admin.
type Meaning struct {
	Slug   string
	Means  string // in one sentence
	Advice string // what to do about it
}

// Categories lists the categories with what each means and what to do.
var Categories = []Meaning{
	{string(Blocked), "A policy of the receiving side stops this mail.", "Ask the postmaster of the other side which policy it is."},
	{string(DMARC), "The From domain publishes DMARC, and the message passed neither aligned SPF nor aligned DKIM.", "Sign with DKIM under the From domain, or send through a server that its SPF record names."},
	{string(InvalidAddress), "The address or its domain does not exist, or is disabled.", "Stop writing to it, and correct the address at its source."},
	{string(Mailbox), "The address exists, but has no mailbox that takes mail.", "Stop writing to it if it was the address; else ask the receiving side."},
	{string(MailboxFull), "The mailbox is over its quota.", "Try again in some days; treat it as unread if it stays full for weeks."},
	{string(RateLimit), "Too much mail came in too short a time, or the server greylists.", "Leave it to the queue; lower concurrency and rate to this provider if it goes on."},
	{string(RecipientError), "The mail could not be handed over, for reasons of the network, the servers, or their settings.", "Look at the reason: DNS, connection, relay and TLS settings each have an own one."},
	{string(Rejection), "The message or the sender's set-up was refused: SPF, reverse DNS, size, syntax, loops.", "Correct what the reply names, then send again."},
	{string(SenderReputation), "The sending address, domain, content or IP is held to be a source of spam.", "Look the IP and the domain up in the blocklist that the reply names, and have them delisted once the cause is gone."},
	{string(Unclassified), "Nothing honest can be said from the reply.", "Read the reply; a rule of your own can name it."},
}

// The reasons, as they are stored. Reasons says what each means.
const (
	NoSuchUser        Reason = "no-such-user"
	NoSuchDomain      Reason = "no-such-domain"
	NullMX            Reason = "null-mx"
	BadSyntax         Reason = "bad-syntax"
	AccountDisabled   Reason = "account-disabled"
	MailboxMoved      Reason = "mailbox-moved"
	MailboxFullReason Reason = "mailbox-full"
	MailboxError      Reason = "mailbox-unavailable"
	Greylisted        Reason = "greylisted"
	RateLimited       Reason = "rate-limited"
	RecipientLimited  Reason = "recipient-limited"
	IPBlocklisted     Reason = "ip-blocklisted"
	DomainBlocklisted Reason = "domain-blocklisted"
	BadReputation     Reason = "bad-reputation"
	SpamContent       Reason = "spam-content"
	Virus             Reason = "virus"
	PolicyBlock       Reason = "policy"
	DMARCFailed       Reason = "dmarc"
	SPFFailed         Reason = "spf"
	DKIMFailed        Reason = "dkim"
	NoReverseDNS      Reason = "no-reverse-dns"
	BadHELO           Reason = "bad-helo"
	SenderRejected    Reason = "sender-rejected"
	SenderDomain      Reason = "sender-domain"
	MessageTooLarge   Reason = "message-too-large"
	BadMessage        Reason = "bad-message"
	MailLoop          Reason = "mail-loop"
	ProtocolError     Reason = "protocol-error"
	RelayDenied       Reason = "relay-denied"
	AuthRequired      Reason = "authentication"
	TLSFailed         Reason = "tls-required"
	RecipientRefused  Reason = "recipient-refused"
	DNSFailure        Reason = "dns-failure"
	ConnectionFailed  Reason = "connection-failed"
	SystemTrouble     Reason = "system-trouble"
	LocalTrouble      Reason = "local-trouble"
	Unknown           Reason = "unknown"
)

// ReasonMeaning is what a reason means, and whether it says that the address
// itself is bad.
type ReasonMeaning struct {
	Reason     Reason
	Means      string
	AddressBad bool
}

// Reasons lists all reasons.
var Reasons = []ReasonMeaning{
	{NoSuchUser, "the mailbox does not exist", true},
	{NoSuchDomain, "the domain does not exist or has no mail server", true},
	{NullMX, "the domain declares that it takes no mail (RFC 7505)", true},
	{BadSyntax, "the address is not a valid one", true},
	{AccountDisabled, "the mailbox is closed, suspended or inactive", true},
	{MailboxMoved, "the owner has moved, and no address is forwarded to", true},
	{MailboxFullReason, "the mailbox is over its quota", false},
	{MailboxError, "the mailbox cannot be used at present", false},
	{Greylisted, "the server asks unknown senders to come again", false},
	{RateLimited, "we sent too much, or opened too many connections", false},
	{RecipientLimited, "the recipient gets too much mail at present", false},
	{IPBlocklisted, "our IP stands on a blocklist", false},
	{DomainBlocklisted, "our domain, or one that the message links to, stands on a blocklist", false},
	{BadReputation, "our IP or domain has a bad reputation with the provider", false},
	{SpamContent, "the content is held to be spam", false},
	{Virus, "the content is held to be malicious", false},
	{PolicyBlock, "a policy of the receiving side", false},
	{DMARCFailed, "the From domain's DMARC policy", false},
	{SPFFailed, "SPF does not allow our IP to send for the sender", false},
	{DKIMFailed, "the DKIM signature is missing or wrong", false},
	{NoReverseDNS, "our IP has no name, or one that does not lead back", false},
	{BadHELO, "the name that our server greets with is refused", false},
	{SenderRejected, "the sender address is refused", false},
	{SenderDomain, "the sender's domain does not exist or takes no mail", false},
	{MessageTooLarge, "the message is too large", false},
	{BadMessage, "the message breaks a rule of its format", false},
	{MailLoop, "the message goes round in a circle", false},
	{ProtocolError, "the two servers do not understand each other", false},
	{RelayDenied, "the server asked is not responsible for the domain", false},
	{AuthRequired, "the server wants a login, or refused ours", false},
	{TLSFailed, "encryption is required and could not be had", false},
	{RecipientRefused, "the recipient does not take mail from us", false},
	{DNSFailure, "the domain could not be looked up for now", false},
	{ConnectionFailed, "the server could not be reached, or hung up", false},
	{SystemTrouble, "the other server has trouble of its own", false},
	{LocalTrouble, "our own server's settings or programs failed", false},
	{Unknown, "the reply does not say", false},
}

// AddressBad reports whether a reason says that the address itself is bad.
func (r Reason) AddressBad() bool {
	for i := range Reasons {
		if Reasons[i].Reason == r {
			return Reasons[i].AddressBad
		}
	}
	return false
}
