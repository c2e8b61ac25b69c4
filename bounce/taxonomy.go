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
	MessageExpired    Reason = "expired"
	Suppressed        Reason = "suppressed"
	Unknown           Reason = "unknown"
)

// ReasonMeaning is what a reason means, and whether it says that the address
// itself is bad.
type ReasonMeaning struct {
	Reason     Reason
	Means      string
	AddressBad bool
	Advice     string // what an admin does about it
}

// Reasons lists all reasons.
var Reasons = []ReasonMeaning{
	{NoSuchUser, "the mailbox does not exist", true, "Take the address off your lists, and look for a typing error where it was entered."},
	{NoSuchDomain, "the domain does not exist or has no mail server", true, "Take the addresses of this domain off your lists; look whether the domain is a misspelling of another."},
	{NullMX, "the domain declares that it takes no mail (RFC 7505)", true, "Take the addresses of this domain off your lists: it never takes mail."},
	{BadSyntax, "the address is not a valid one", true, "Correct the address, and let your forms check its syntax."},
	{AccountDisabled, "the mailbox is closed, suspended or inactive", true, "Take the address off your lists; ask its owner for another by other means."},
	{MailboxMoved, "the owner has moved, and no address is forwarded to", true, "Ask the owner for the new address by other means."},
	{MailboxFullReason, "the mailbox is over its quota", false, "Wait some days. If it stays full for weeks nobody reads it."},
	{MailboxError, "the mailbox cannot be used at present", false, "Try again later; ask the receiving postmaster if it goes on."},
	{Greylisted, "the server asks unknown senders to come again", false, "Nothing: the queue tries again. Keep sending from the same IP."},
	{RateLimited, "we sent too much, or opened too many connections", false, "Lower concurrency and rate to this provider, and send bulk mail slowly."},
	{RecipientLimited, "the recipient gets too much mail at present", false, "Nothing: the queue tries again. Look for a loop if the mail is all yours."},
	{IPBlocklisted, "our IP stands on a blocklist", false, "Find out why the IP was listed (a broken-in account, a web form), end it, then ask for removal at the list."},
	{DomainBlocklisted, "our domain, or one that the message links to, stands on a blocklist", false, "Look the From domain and all links up at the list, and ask for removal once the cause is gone."},
	{BadReputation, "our IP or domain has a bad reputation with the provider", false, "Register with the provider's postmaster tools, stop writing to addresses that bounce or complain, and send less for some weeks."},
	{SpamContent, "the content is held to be spam", false, "Look at what was sent and by which account: broken-in accounts and forwarded spam are the usual causes."},
	{Virus, "the content is held to be malicious", false, "Look for a broken-in account, and scan outgoing mail; avoid attachments that providers refuse."},
	{PolicyBlock, "a policy of the receiving side", false, "Ask the receiving postmaster, with the whole reply, which policy it is."},
	{DMARCFailed, "the From domain's DMARC policy", false, "Sign with DKIM under the From domain, or send through a server that the domain's SPF record names; rewrite From when forwarding."},
	{SPFFailed, "SPF does not allow our IP to send for the sender", false, "Add this server to the SPF record of the envelope sender's domain; rewrite the envelope sender when forwarding (SRS)."},
	{DKIMFailed, "the DKIM signature is missing or wrong", false, "Sign outgoing mail with DKIM, check the published key, and change nothing in the message after signing."},
	{NoReverseDNS, "our IP has no name, or one that does not lead back", false, "Have a PTR record set for the sending IP, and an A or AAAA record of that name that leads back to the IP."},
	{BadHELO, "the name that our server greets with is refused", false, "Set the greeting name (Postfix smtp_helo_name, Exim helo_data) to a full host name that resolves to this server."},
	{SenderRejected, "the sender address is refused", false, "Send from an address that exists and that this server may use."},
	{SenderDomain, "the sender's domain does not exist or takes no mail", false, "Send from a domain with MX or A records, and see that its name servers answer."},
	{MessageTooLarge, "the message is too large", false, "Send a link in place of the attachment."},
	{BadMessage, "the message breaks a rule of its format", false, "Correct the program that made the message: headers, line lengths, MIME structure."},
	{MailLoop, "the message goes round in a circle", false, "Look at forwards and at the domains that each server holds for its own."},
	{ProtocolError, "the two servers do not understand each other", false, "Look at both servers' logs of the session; a firewall that meddles with SMTP is a usual cause."},
	{RelayDenied, "the server asked is not responsible for the domain", false, "Check the MX records of the domain and your transport map; as a rule the other side has to add the domain."},
	{AuthRequired, "the server wants a login, or refused ours", false, "Check the user name and the password for your relay host."},
	{TLSFailed, "encryption is required and could not be had", false, "Check certificates and TLS policy on both sides."},
	{RecipientRefused, "the recipient does not take mail from us", false, "Ask the owner of the address or of the list to permit you."},
	{DNSFailure, "the domain could not be looked up for now", false, "Nothing at first; if it goes on, check your resolver and the domain's name servers."},
	{ConnectionFailed, "the server could not be reached, or hung up", false, "Nothing at first; if it hits many domains, check your own network and firewall."},
	{SystemTrouble, "the other server has trouble of its own", false, "Nothing: the queue tries again."},
	{LocalTrouble, "our own server's settings or programs failed", false, "Look at your server's log around this delivery: a program, a file or a table failed."},
	{MessageExpired, "the message was tried for too long, and given up", false, "Look at the deferrals before it: they tell why."},
	{Suppressed, "our own server refused it, because bouncetail holds the address to be bad", false, "Nothing: it counts neither for nor against the address. To write to it again, see bouncetail explain."},
	{Unknown, "the reply does not say", false, "Read the reply; a rule of your own can name it."},
}

// ScopeMeaning is whose problem a scope names.
type ScopeMeaning struct {
	Scope Scope
	Means string
}

// Scopes lists all scopes.
var Scopes = []ScopeMeaning{
	{ScopeRecipient, "the address itself"},
	{ScopeDomain, "everyone at the recipient's domain"},
	{ScopeSender, "our address, domain or IP"},
	{ScopeMessage, "this message's content or size"},
	{ScopeNetwork, "the way between the servers"},
	{ScopeLocal, "our own server's settings"},
}

// Advice returns what an admin does about a failure for this reason.
func (r Reason) Advice() string {
	for i := range Reasons {
		if Reasons[i].Reason == r {
			return Reasons[i].Advice
		}
	}
	return ""
}

// AsIntended reports whether nobody has to do anything about a failure for this
// reason: a retry passes greylisting, and what our own server refused by the maps
// was to be refused.
func (r Reason) AsIntended() bool { return r == Greylisted || r == Suppressed }

// AddressBad reports whether a reason says that the address itself is bad.
func (r Reason) AddressBad() bool {
	for i := range Reasons {
		if Reasons[i].Reason == r {
			return Reasons[i].AddressBad
		}
	}
	return false
}

// RefusalToken stands in the text of every refusal that comes of a published
// map, so that it is not taken for news of the address when it is read in a log
// again.
const RefusalToken = "[bouncetail]"
