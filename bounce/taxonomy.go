package bounce

// Meaning describes a category.
type Meaning struct {
	Slug   string
	Means  string // in one sentence
	Advice string // what to do about it
}

// Categories lists all categories.
var Categories = []Meaning{
	{string(Blocked), "A policy of the receiving side refuses this mail.", "Ask the receiving postmaster which policy it is."},
	{string(DMARC), "The From domain publishes DMARC, and the message passed neither aligned SPF nor aligned DKIM.", "Sign with DKIM under the From domain, or send through a server that its SPF record names."},
	{string(InvalidAddress), "The address or its domain does not exist, or is disabled.", "Stop writing to it, and correct the address at its source."},
	{string(Mailbox), "The address exists, but its mailbox does not accept mail.", "If the address itself is at fault, stop writing to it. Otherwise ask the receiving side."},
	{string(MailboxFull), "The mailbox is over its quota.", "Try again in a few days. A mailbox that stays full for weeks is probably not read."},
	{string(RateLimit), "Too much mail arrived in too short a time, or the server greylists.", "The queue retries it. If it continues, lower concurrency and rate to this provider."},
	{string(RecipientError), "The mail could not be handed over because of the network, the servers or their configuration.", "See the reason: DNS, connection, relay and TLS problems each have their own."},
	{string(Rejection), "The message or the sender's configuration was refused: SPF, reverse DNS, size, syntax, loops.", "Correct what the reply names, then send it again."},
	{string(SenderReputation), "The sending address, domain, content or IP is considered a source of spam.", "Look up the IP and the domain in the blocklist that the reply names. Request delisting after the cause is fixed."},
	{string(Unclassified), "The reply does not show the cause.", "Read the reply. You can add a rule for it."},
}

// The reasons, as they are stored. Reasons describes each.
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

// ReasonMeaning describes a reason.
type ReasonMeaning struct {
	Reason     Reason `json:"reason"`
	Means      string `json:"means"`
	AddressBad bool   `json:"address_bad"` // whether it shows that the address itself is bad
	Advice     string `json:"advice"`      // what an admin can do about it
}

// Reasons lists all reasons.
var Reasons = []ReasonMeaning{
	{NoSuchUser, "the mailbox does not exist", true, "Remove the address from your lists, and check for a typing error where it was entered."},
	{NoSuchDomain, "the domain does not exist or has no mail server", true, "Remove the addresses of this domain from your lists. Check whether the domain is misspelled."},
	{NullMX, "the domain declares that it accepts no mail (RFC 7505)", true, "Remove the addresses of this domain from your lists: it never accepts mail."},
	{BadSyntax, "the syntax of the address is invalid", true, "Correct the address, and check the syntax in your forms."},
	{AccountDisabled, "the mailbox is closed, suspended or inactive", true, "Remove the address from your lists. Ask its owner for another one by other means."},
	{MailboxMoved, "the owner has moved, and mail is not forwarded", true, "Ask the owner for the new address by other means."},
	{MailboxFullReason, "the mailbox is over its quota", false, "Wait a few days. If it stays full for weeks, it is probably not read."},
	{MailboxError, "the mailbox is temporarily unavailable", false, "Try again later. If it continues, ask the receiving postmaster."},
	{Greylisted, "the server asks unknown senders to try again later", false, "Nothing: the queue retries. Keep sending from the same IP."},
	{RateLimited, "we sent too much mail or opened too many connections", false, "Lower concurrency and rate to this provider, and send bulk mail slowly."},
	{RecipientLimited, "the recipient currently receives too much mail", false, "Nothing: the queue retries. If all the mail is yours, look for a loop."},
	{IPBlocklisted, "our IP is on a blocklist", false, "Find out why the IP was listed (a compromised account, a web form), fix it, then request removal from the list."},
	{DomainBlocklisted, "our domain, or one that the message links to, is on a blocklist", false, "Look up the From domain and all links in the list. Request removal after the cause is fixed."},
	{BadReputation, "our IP or domain has a bad reputation with the provider", false, "Register with the provider's postmaster tools, stop writing to addresses that bounce or complain, and send less for a few weeks."},
	{SpamContent, "the content is considered spam", false, "Check what was sent and by which account. Compromised accounts and forwarded spam are the usual causes."},
	{Virus, "the content is considered malicious", false, "Look for a compromised account, scan outgoing mail, and avoid attachments that providers refuse."},
	{PolicyBlock, "a policy of the receiving side", false, "Send the whole reply to the receiving postmaster and ask which policy it is."},
	{DMARCFailed, "the From domain's DMARC policy", false, "Sign with DKIM under the From domain, or send through a server that the domain's SPF record names; rewrite From when forwarding."},
	{SPFFailed, "SPF does not allow our IP to send for the sender", false, "Add this server to the SPF record of the envelope sender's domain; rewrite the envelope sender when forwarding (SRS)."},
	{DKIMFailed, "the DKIM signature is missing or wrong", false, "Sign outgoing mail with DKIM, check the published key, and change nothing in the message after signing."},
	{NoReverseDNS, "our IP has no name, or its name does not resolve to the IP", false, "Set a PTR record for the sending IP, and an A or AAAA record of that name that resolves to the IP."},
	{BadHELO, "the HELO name of our server is refused", false, "Set the HELO name (Postfix smtp_helo_name, Exim helo_data) to a full host name that resolves to this server."},
	{SenderRejected, "the sender address is refused", false, "Send from an address that exists and that this server may use."},
	{SenderDomain, "the sender's domain does not exist or accepts no mail", false, "Send from a domain with MX or A records, and check that its name servers answer."},
	{MessageTooLarge, "the message is too large", false, "Send a link instead of the attachment."},
	{BadMessage, "the message violates the mail format", false, "Correct the program that made the message: headers, line lengths, MIME structure."},
	{MailLoop, "the message is in a loop", false, "Check forwards, and the domains that each server considers local."},
	{ProtocolError, "the two servers do not understand each other", false, "Check the logs of both servers for the session. A firewall that modifies SMTP is a common cause."},
	{RelayDenied, "the server does not accept mail for the domain", false, "Check the MX records of the domain and your transport map. Usually the other side must add the domain."},
	{AuthRequired, "the server requires authentication, or refused ours", false, "Check the user name and the password for your relay host."},
	{TLSFailed, "TLS is required and could not be established", false, "Check certificates and TLS policy on both sides."},
	{RecipientRefused, "the recipient does not accept mail from us", false, "Ask the owner of the address or of the list to allow you."},
	{DNSFailure, "a DNS lookup failed temporarily", false, "Nothing at first. If it continues, check your resolver and the domain's name servers."},
	{ConnectionFailed, "the server could not be reached, or closed the connection", false, "Nothing at first. If many domains are affected, check your own network and firewall."},
	{SystemTrouble, "the other server has a temporary problem", false, "Nothing: the queue retries."},
	{LocalTrouble, "our own server's configuration or one of its programs failed", false, "Check your server's log around this delivery: a program, a file or a table failed."},
	{MessageExpired, "the message was deferred for too long", false, "Check the deferrals before it: they give the reason."},
	{Suppressed, "our own server refused it, because bouncetail considers the address bad", false, "Nothing: the refusal does not change the state. To write to the address again, see bouncetail explain."},
	{Unknown, "the reply does not show the cause", false, "Read the reply. You can add a rule for it."},
}

// ScopeMeaning describes a scope.
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
	{ScopeNetwork, "the connection between the servers"},
	{ScopeLocal, "our own server's configuration"},
}

// Advice returns what an admin can do about a failure with this reason.
func (r Reason) Advice() string {
	for i := range Reasons {
		if Reasons[i].Reason == r {
			return Reasons[i].Advice
		}
	}
	return ""
}

// AsIntended reports whether a failure with this reason needs no action: greylisting
// ends with a retry, and a refusal by our own maps is intended.
func (r Reason) AsIntended() bool { return r == Greylisted || r == Suppressed }

// AddressBad reports whether a reason shows that the address itself is bad.
func (r Reason) AddressBad() bool {
	for i := range Reasons {
		if Reasons[i].Reason == r {
			return Reasons[i].AddressBad
		}
	}
	return false
}

// RefusalToken is part of the text of every refusal by a published map, so that
// such a refusal in the log does not count as evidence about the address.
const RefusalToken = "[bouncetail]"
