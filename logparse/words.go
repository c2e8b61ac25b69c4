package logparse

import "strings"

// The words that stand in the headers of logs. All are looked up in lower case.

// maxWord is how many bytes the name of a month, a weekday or a level has at most.
const maxWord = 32

// monthNames are the abbreviations of the C library's locales, without the dot
// that some have, and their other spellings. Longer forms are found by their
// first letters.
var monthNames = makeMonths(
	"jan janv jän ene gen sty led oca ian янв яну січ tammi ιαν xan jaan sau јан yan urt sij ינו ينا ژان ม.ค 一月", // January
	"feb févr fév fev lut úno şub фев лют helmi φεβ veebr vas феб shk ots velj פבר فبر فور ก.พ 二月",
	"mar mars märz mär mrz mrt maa maerz mars bře мар бер maalis márc μαρ μάρ kov mäe mac ožu מרץ مار มี.ค 三月",
	"apr avr avril abr kwi dub nis апр кві huhti άπρ απρ bal ápr d’abr pri api tra אפר أبر آور เม.ย 四月",
	"may mai maj mei mag maig kwie kvě май мая тра touko máj μαϊ μάι maí geg μαΐ мај mee svi מאי ماي مه พ.ค 五月",
	"jun juin giu juny cze čen haz iun июн юни чер kesä jún ιουν xuñ juuni bir jūn ιούν јун iyn qer eka meith יונ يون ژوئن มิ.ย 六月",
	"jul juil lug lip čec tem iul июл юли лип heinä júl ιουλ xul juuli lie jūl jui ιούλ јул iyl kor uzt יול يول ژوئیه ก.ค 七月",
	"aug août aoû ago agu sie srp ağu авг сер elo αυγ ágú rgp αύγ avg avq ag d’ag rugp ogos gsh abu kol אוג أغس اوت ส.ค 八月",
	"sep sept set wrz zář eyl сен сеп вер syys szept σεπ rgs sen rugs sht ira ruj ספט سبت سپت ก.ย 九月",
	"oct okt ott out paź říj eki окт жов loka οκτ d’oct spal tet urr אוק أكت اكت ต.ค 十月",
	"nov lis kas noi noy нов ноя ное лис marras νοέ νοε nóv lap nën aza stu נוב نوف نوا พ.ย 十一月",
	"dec déc dez dic des gru pro ara дек гру joulu δεκ dets grd дец dek dis dhj abe דצמ ديس دسا ธ.ค 十二月",
)

func makeMonths(names ...string) map[string]int {
	months := make(map[string]int)
	for i, list := range names {
		for name := range strings.FieldsSeq(list) {
			months[name] = i + 1
		}
	}
	return months
}

// monthOf returns the number of a month by its name, or 0.
func monthOf(word string) int {
	if len(word) < 3 || len(word) > maxWord {
		return 0
	}
	word = strings.ToLower(strings.TrimRight(word, "."))
	if m := monthNames[word]; m > 0 {
		return m
	}
	if strings.HasPrefix(word, "mail") {
		return 0 // a host or a facility, not a longer name of May
	}
	if digits, found := strings.CutPrefix(strings.Replace(word, "thg", "th", 1), "th"); found && leading(digits) == len(digits) && number(digits) <= 12 {
		return number(digits) // Vietnamese
	}
	var ends [7]int // ends[i] is where the first i letters end
	letters := 0
	for at := range word {
		if letters < len(ends) {
			ends[letters] = at
		}
		letters++
	}
	if letters < 4 || letters > 12 {
		return 0
	}
	for n := min(letters-1, 6); n >= 3; n-- {
		if m := monthNames[word[:ends[n]]]; m > 0 {
			return m
		}
	}
	return 0
}

var weekdays = makeSet(`mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday
	lun mar mer jeu ven sam dim lundi mardi mercredi jeudi vendredi samedi dimanche
	mo di mi do fr sa so mié mie jue vie sáb sab dom gio seg ter qua qui sex
	ma wo vr za zo pon pn wt wto śr śro czw pt pią sob sb nd nie
	mån mån tis ons tor tors fre lör sön man lør søn lau sun
	po út st čt pá ne вт ср чт пт сб вс пн
	星期一 星期二 星期三 星期四 星期五 星期六 星期日 星期天 周一 周二 周三 周四 周五 周六 周日
	月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日 월요일 화요일 수요일 목요일 금요일 토요일 일요일 월 화 수 목 금 토 일`)

func makeSet(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

func isWeekday(word string) bool {
	return len(word) <= maxWord && weekdays[strings.ToLower(strings.TrimRight(word, ".,"))]
}

// zoneNames are abbreviations that mean one zone only, with their offsets from
// UTC in minutes. Others (CST, IST, BST) mean several; the settings decide then.
var zoneNames = map[string]int{
	"UTC": 0, "GMT": 0, "Z": 0, "UCT": 0, "WET": 0, "WEST": 60, "CET": 60, "MET": 60, "CEST": 120, "MEST": 120, "EET": 120, "EEST": 180, "MSK": 180,
	"EST": -300, "EDT": -240, "CDT": -300, "MDT": -360, "MST": -420, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600,
	"NST": -210, "NDT": -150, "ADT": -180, "BRT": -180, "SAST": 120, "JST": 540, "KST": 540, "HKT": 480, "AWST": 480,
	"ACST": 570, "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}

// vagueZones are abbreviations that mean several zones.
var vagueZones = makeSet("CST IST BST AST SST WIB WITA WIT PKT")

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
	return otherPrograms[tag] || hasAnyPrefix(tag, "php", "python", "dovecot-", "fail2ban.", "rspamd_", "policyd", "mailman", "nginx-", "apache", "opensmtpd-filter", "filter-") ||
		isHelper(tag)
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

var otherPrograms = makeSet(`dovecot sshd sshd-session kernel systemd systemd-logind CRON cron crond anacron sudo su login
	named unbound opendkim opendmarc rspamd amavis amavisd spamd spampd clamd clamsmtpd freshclam clamav-milter dspam
	postgrey sqlgrey postfwd postfwd2 fail2ban nginx apache2 httpd saslauthd saslpasswd2 cyrus imapd pop3d imap-login pop3-login
	ntpd chronyd dhclient NetworkManager dbus-daemon rsyslogd syslogd mimedefang mimedefang.pl MailScanner milter-greylist
	spf-milter pyspf-milter dkimproxy.in dkimproxy.out authdaemond vsftpd proftpd cups snmpd nrpe zabbix_agentd slapd mysqld mariadbd
	roundcube sogod node java perl ruby gunicorn uwsgi auditd audit spamass-milter smf-spf milter-regex postsrsd procmail
	maildrop fetchmail getmail greylistd sympa wwsympa haproxy traefik caddy envoy stunnel stunnel4 pure-ftpd smbd nmbd winbindd
	openvpn charon radiusd nscd nslcd sssd polkitd asterisk freeswitch prosody ejabberd bash zsh snoopy bouncetail`)
