package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/oneof"
)

// The words that stand in the headers of logs. All are looked up in lower case.

// maxWord is how many bytes the name of a month, a weekday or a level has at most.
const maxWord = 32

func makeSet(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// compactLevels are the levels of "log show --style compact" of macOS.
var compactLevels = makeSet("A Db Df E I")

// levels and facilities of syslog, and what containers and journals write in
// their place.
var (
	levels = makeSet(`emerg emergency panic alert crit critical err error warn warning notice info information informational
		debug trace verbose fatal stdout stderr`)
	facilities = makeSet(`kern user mail daemon auth security syslog lpr news uucp cron clock authpriv ftp ntp audit
		local0 local1 local2 local3 local4 local5 local6 local7`)
)

// isLevel reports whether a word is a level, or a facility and a level: "INFO",
// "mail.info", "info:mail".
func isLevel(word string) bool {
	if len(word) < 3 || len(word) > 24 || isDigit(word[len(word)-1]) || word[len(word)-1] == '.' {
		return false
	}
	word = strings.ToLower(word)
	if levels[word] {
		return true
	}
	at := strings.IndexAny(word, "./:-")
	return at > 0 && (facilities[word[:at]] && levels[word[at+1:]] || levels[word[:at]] && facilities[word[at+1:]])
}

// isFacility reports whether a word is the name of a facility. Hosts bear such
// names too, "mail" above all.
func isFacility(word string) bool { return len(word) <= maxWord && facilities[strings.ToLower(word)] }

// postfixDaemons are the programs of Postfix that log, as their tags end.
var postfixDaemons = makeSet(`anvil bounce cleanup discard dnsblog error flush lmtp local master nqmgr oqmgr pickup pipe postalias
	postcat postdrop postfix-script postfix-wrapper postlog postlogd postmap postqueue postscreen postsuper post-install
	proxymap qmgr qmqpd retry scache sendmail showq smtp smtpd spawn tlsmgr tlsproxy trace trivial-rewrite verify virtual`)

// isDaemonTag reports whether a tag names a program of Postfix: "postfix/smtp",
// "postfix-out/submission/smtpd".
func isDaemonTag(tag string) bool {
	at := strings.LastIndexByte(tag, '/')
	return at > 0 && postfixDaemons[tag[at+1:]] && !otherPrograms[tag[:strings.IndexByte(tag, '/')]]
}

// isServerTag reports whether a tag is the name of a mail server alone. A
// container may have that name too.
func isServerTag(tag string) bool {
	if tag == "" || strings.IndexByte(tag, '/') >= 0 {
		return false
	}
	for i := range grammars {
		if grammars[i].claims(tag) {
			return !isOtherProgram(tag)
		}
	}
	return false
}

// isOtherProgram reports whether a tag is that of a well-known program that
// delivers no mail to other servers. Its lines quote what strangers sent, and
// are neither searched for a header nor counted. What Postfix runs besides its own
// programs, such as postfix/policyd-spf, belongs to them.
func isOtherProgram(tag string) bool {
	if at := strings.IndexByte(tag, '/'); at > 0 {
		return otherPrograms[tag[:at]] || strings.HasPrefix(tag, "postfix") && !postfixDaemons[tag[strings.LastIndexByte(tag, '/')+1:]]
	}
	return otherPrograms[tag] || oneof.HasPrefix(tag, otherFamilies...) || isHelper(tag)
}

// isHelper reports whether a tag is that of a program around a mail server, which is
// named after it: "sendmail-api", "postfix_exporter", "eximstats". Instances of the server
// have such tags too, with names that an administrator chose.
func isHelper(tag string) bool {
	for _, server := range [...]string{"postfix", "sendmail", "exim", "opensmtpd", "smtpd", "sm-"} {
		rest, found := strings.CutPrefix(tag, server)
		if !found {
			continue
		}
		for word := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r < 'a' || 'z' < r }) {
			if helperWords[word] {
				return true
			}
		}
	}
	return false
}

var helperWords = makeSet(`admin alert alerts analyzer api backup checker cron dashboard exporter gui health healthcheck
	logwatch metrics milter mon monitor monitoring notifier notify parser policy policyd report reporter reports
	script stats statistics sts tlspol watch watchdog watcher webhook`)

// isServerName reports whether a tag is the name of a server or of an instance of it:
// "exim4", "exim-out", but not "eximon" or "exim-monitor".
func isServerName(tag, server string) bool {
	rest, found := strings.CutPrefix(tag, server)
	return found && (rest == "" || (rest[0] < 'a' || 'z' < rest[0]) && !isHelper(tag))
}

// isTaskStream reports whether a name is that of a log stream of a task in AWS ECS:
// "prefix/container/0a1b2c3d4e5f60718293a4b5c6d7e8f9".
func isTaskStream(name string) bool {
	at := strings.LastIndexByte(name, '/')
	return at > 0 && len(name)-at-1 == 32 && strings.Trim(name[at+1:], "0123456789abcdef") == ""
}

// otherFamilies begin the names of such programs.
var otherFamilies = []string{
	"php", "python", "dovecot-", "fail2ban.", "rspamd_", "policyd", "mailman", "nginx-", "apache",
	"opensmtpd-filter", "filter-", "ossec-", "wazuh-", "zabbix_",
}

var otherPrograms = makeSet(`dovecot sshd sshd-session kernel systemd systemd-logind CRON cron crond anacron sudo su login
	named unbound opendkim opendmarc rspamd amavis amavisd spamd spampd clamd clamsmtpd freshclam clamav-milter dspam
	postgrey sqlgrey postfwd postfwd2 fail2ban nginx apache2 httpd saslauthd saslpasswd2 cyrus imapd pop3d imap-login pop3-login
	ntpd chronyd dhclient NetworkManager dbus-daemon rsyslogd syslogd mimedefang mimedefang.pl MailScanner milter-greylist
	spf-milter pyspf-milter dkimproxy.in dkimproxy.out authdaemond vsftpd proftpd cups snmpd nrpe slapd mysqld mariadbd
	roundcube sogod node java perl ruby gunicorn uwsgi auditd audit spamass-milter smf-spf milter-regex postsrsd procmail
	maildrop fetchmail getmail greylistd sympa wwsympa haproxy traefik caddy envoy stunnel stunnel4 pure-ftpd smbd nmbd winbindd
	ossec monit logcheck logwatch swatch swatchdog tenshi promtail crowdsec psad sshguard denyhosts suricata snort
	nagios icinga icinga2 telegraf collectd netdata munin-node mailgraph msmtp ssmtp
	openvpn charon radiusd nscd nslcd sssd polkitd asterisk freeswitch prosody ejabberd bash zsh snoopy bouncetail`)
