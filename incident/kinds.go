package incident

// Kind is the kind of an incident.
type Kind string

// The kinds, as they are stored.
const (
	ProviderRefuses   Kind = "provider-refuses"
	Blocklist         Kind = "blocklist"
	OwnNetwork        Kind = "own-network"
	OwnServer         Kind = "own-server"
	Unreachable       Kind = "unreachable"
	Inactivity        Kind = "inactivity"
	BadSurge          Kind = "bad-surge"
	BadList           Kind = "bad-list"
	UnclassifiedSurge Kind = "unclassified-surge"
	LogStalled        Kind = "log-stalled"
	LogGap            Kind = "log-gap"
	Drift             Kind = "drift"
)

// KindMeaning describes a kind.
type KindMeaning struct {
	Kind    Kind
	Means   string
	Subject string // what the subject of such an incident is
	Rings   string // when notices are sent
	Advice  string // what an admin can do about it; empty if that depends on the reason
}

// Kinds lists all kinds.
var Kinds = []KindMeaning{
	{ProviderRefuses, "a provider refuses mail, for one reason", "the provider or domain", "if the share of refusals is far above the provider's usual one", ""},
	{Blocklist, "replies name a blocklist on which our IP or domain is", "the blocklist", "if 2 providers or 5 messages were refused for it", ""},
	{OwnNetwork, "many domains cannot be reached from the same moment on", "empty", "if it affects 10 domains and half of the first attempts within 15 minutes", "Check your network, your firewall and your resolver."},
	{OwnServer, "our own server failed", "the provider, or empty", "never", ""},
	{Unreachable, "a provider or domain cannot be reached", "the provider or domain", "never", ""},
	{Inactivity, "no mail is sent any more", "empty", "if nothing was sent for 6 hours, and for 10 times the usual pause at this hour of the week", "Check whether the mail server runs and whether its queue grows (mailq)."},
	{BadSurge, "addresses that accepted mail became suspect together", "what the refusals have in common", "always", "Find out whether it is an outage: bouncetail recipients crowds shows it, and bouncetail recipients confirm or release decides."},
	{BadList, "many addresses of one sender were never reached and became bad", "the sender", "if there are 50 of them within 24 hours, and they are 5 % of all mail", "Stop mail to this list. Ask where its addresses come from: bought and old lists are the usual causes."},
	{UnclassifiedSurge, "a reply that no rule knows arrives often", "the shape of the reply", "if it is new and arrives 20 times within an hour", "Read the reply. You can add a rule for it: bouncetail unclassified shows more."},
	{LogStalled, "a log has new lines, and none is read", "the source", "after 15 minutes", "Check whether bouncetail runs (systemctl status bouncetail) and may read the log."},
	{LogGap, "a part of a log was destroyed before it was read", "the source", "always", "Check how the log is rotated: bouncetail doctor says what is wrong."},
	{Drift, "a provider refuses a growing share of mail", "the provider", "if the share has risen for four weeks by half or more, and chance does that less than once in a thousand; looked at once a week", "Read the replies below, and what changed in your mail four weeks ago: lists, senders, authentication. Complaints raise the share before a provider refuses everything."},
}
