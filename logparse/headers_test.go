package logparse_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/logparse"
)

// Three lines of one message, without their headers.
var messageLines = []struct{ daemon, body string }{
	{"cleanup", "4f1XyZabcd: message-id=<m1@a.example>"},
	{"qmgr", "4f1XyZabcd: from=<news@a.example>, size=500, nrcpt=1 (queue active)"},
	{"smtp", `4f1XyZabcd: to=<gone@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=0.13, delays=0.02/0.1/0/0.01, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 <gone@b.example>: "User", unknown (in reply to RCPT TO command))`},
}

// withHeader puts a header in front of each of the three lines. In the form,
// DAEMON and BODY stand for what differs, QUOTED for the body in a table, and
// JSON for it in a string.
func withHeader(form string) string {
	var log strings.Builder
	for _, l := range messageLines {
		inString := strings.ReplaceAll(l.body, `"`, `\"`)
		log.WriteString(strings.NewReplacer("DAEMON", l.daemon, "BODY", l.body, "QUOTED", strings.ReplaceAll(l.body, `"`, `""`), "JSON", inString).Replace(form) + "\n")
	}
	return log.String()
}

// row is what is kept of a message, from all of its lines.
func row(all []bounce.Event) string {
	var sender, messageID, rest string
	for i := range all {
		switch ev := all[i]; {
		case ev.MessageID != "":
			messageID = ev.MessageID
		case ev.Kind == bounce.EventMessage:
			sender = ev.Sender
		default:
			ev.Host, ev.At, ev.ID = "", time.Time{}, bounce.EventID{}
			rest += describe(&ev)
		}
	}
	return fmt.Sprintf("from=%q messageid=%q %s", sender, messageID, rest)
}

// headerTests are forms of headers, what the time of the lines is, and the host.
var headerTests = []struct{ name, form, time, host string }{
	// what syslog daemons and their templates write
	{"no padding", "Nov 3 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-03T12:57:36Z", "mx"},
	{"ISO with a space", "2026-11-23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"ISO with a comma", "2026-11-23 12:57:36,789 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.789Z", "mx"},
	{"a process apart", "Nov 23 12:57:36 mx postfix/DAEMON [474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a level behind the tag", "Nov 23 12:57:36 mx postfix/DAEMON[474]: info: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a level in brackets behind the tag", "Nov 23 12:57:36 mx postfix/DAEMON[474]: [INFO] BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a carriage return of rsyslog's", "Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY#015", "2026-11-23T12:57:36Z", "mx"},
	{"logcli", `2026-11-23T13:57:36+01:00 {filename="/var/log/mail.log", job="the \"mail\" log"} Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY`, "2026-11-23T12:57:36Z", "mx"},
	{"logcli without labels", "2026-11-23T12:57:36Z {} Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Fluent Bit", `[0] docker.mail: [1795438656.123, {"log"=>"Nov 23 12:57:36 mx postfix/DAEMON[474]: JSON", "stream"=>"stdout"}]`, "2026-11-23T12:57:36Z", "mx"},
	{"Fluent Bit 2", `[0] docker.mail: [[1795438656.123, {}], {"log"=>"Nov 23 12:57:36 mx postfix/DAEMON[474]: JSON"}]`, "2026-11-23T12:57:36Z", "mx"},
	{"stern", "mail-0 › smtp Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Papertrail", "7711561783320576\t2026-11-23T12:57:36Z\t2026-11-23T12:57:36Z\t31181\tmx\t192.0.2.77\tMail\tInfo\tpostfix/DAEMON\tBODY", "2026-11-23T12:57:36Z", "mx"},
	{"no host", "Nov 23 12:57:36 postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", ""},
	{"busybox", "Nov 23 12:57:36 backup mail.info postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "backup"},
	{"syslogd -v", "Nov 23 12:57:36 <mail.info> mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"syslogd -v with numbers", "Nov 23 12:57:36 <2.6> mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a host called mail", "2026-11-23 12:57:36 mail postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mail"},
	{"a level and no host", "2026-11-23T12:57:36.376231+00:00 INFO    postfix/DAEMON[1678]: BODY", "2026-11-23T12:57:36.376231Z", ""},
	{"year behind the clock", "Nov 23 12:57:36 2024 mx postfix/DAEMON[474]: BODY", "2024-11-23T12:57:36Z", "mx"},
	{"year behind the day", "Nov 23 2024 12:57:36 mx postfix/DAEMON[474]: BODY", "2024-11-23T12:57:36Z", "mx"},
	{"year first", "2024 Nov 23 12:57:36.123 mx postfix/DAEMON[474]: BODY", "2024-11-23T12:57:36.123Z", "mx"},
	{"tag without a colon", "2026-11-23T12:57:36+00:00 mx postfix/DAEMON[474] BODY", "2026-11-23T12:57:36Z", "mx"},
	{"tag without a process", "Nov 23 12:57:36 mx postfix/DAEMON BODY", "2026-11-23T12:57:36Z", "mx"},
	{"two spaces", "Nov 23 12:57:36 mx postfix/DAEMON[474]:  BODY", "2026-11-23T12:57:36Z", "mx"},
	{"no space", "Nov 23 12:57:36 mx postfix/DAEMON[474]:BODY", "2026-11-23T12:57:36Z", "mx"},
	{"tabs", "Nov 23 12:57:36\tmx\tpostfix/DAEMON[474]:\tBODY", "2026-11-23T12:57:36Z", "mx"},
	{"a space in front", "  Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"two hosts", "2026-11-23T12:57:36Z 192.0.2.7 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"IPv6 as the host", "2026-11-23 12:57:36 2001:db8::25 postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "2001:db8::25"},
	{"NethServer", "2026-11-23T12:57:36+00:00 [1:mail1:postfix/DAEMON] BODY", "2026-11-23T12:57:36Z", "mail1"},
	{"Solaris", "Nov 23 12:57:36 mx postfix/DAEMON[474]: [ID 197553 mail.info] BODY", "2026-11-23T12:57:36Z", "mx"},
	{"octet count", "187 <22>1 2026-11-23T12:57:36Z mx postfix/DAEMON 474 - - BODY", "2026-11-23T12:57:36Z", "mx"},
	{"RFC 5424 without a program", "<22>1 2026-11-23T12:57:36Z mx - - - - postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"RFC 5424 without a host", "<22>1 2026-11-23T12:57:36Z - postfix/DAEMON 474 - - BODY", "2026-11-23T12:57:36Z", ""},

	// stamps
	{"weekday", "Mon Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"date(1)", "Mon Nov 23 12:57:36 UTC 2026 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"RFC 5322", "Mon, 23 Nov 2026 12:57:36 +0100 mx postfix/DAEMON[474]: BODY", "2026-11-23T11:57:36Z", "mx"},
	{"common log format", "[23/Nov/2026:12:57:36 -0500] mx postfix/DAEMON[474]: BODY", "2026-11-23T17:57:36Z", "mx"},
	{"German date", "23.11.2026 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"slashes", "2026/11/23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"basic ISO", "20261123T125736Z mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Unix seconds", "1795438656 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Unix milliseconds", "1795438656759 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.759Z", "mx"},
	{"svlogd", "2026-11-23_12:57:36.12345 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.12345Z", "mx"},
	{"multilog", "@400000006b04384a2d3d6bc0 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.759Z", "mx"},
	{"zone name", "Nov 23 12:57:36 CET mx postfix/DAEMON[474]: BODY", "2026-11-23T11:57:36Z", "mx"},
	{"zone that means several", "Nov 23 12:57:36 CST mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"zone number", "2026-11-23 12:57:36 +0100 mx postfix/DAEMON[474]: BODY", "2026-11-23T11:57:36Z", "mx"},
	{"zone of hours", "2026-11-23T12:57:36-03 mx postfix/DAEMON[474]: BODY", "2026-11-23T15:57:36Z", "mx"},
	{"short-full", "Mon 2026-11-23 12:57:36 -03 mx postfix/DAEMON[474]: BODY", "2026-11-23T15:57:36Z", "mx"},
	{"short-full in French", "lun. 2026-11-23 12:57:36 CET mx postfix/DAEMON[474]: BODY", "2026-11-23T11:57:36Z", "mx"},
	{"French month", "nov. 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"French Tuesday", "mar. 24 nov. 2026 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-24T12:57:36Z", "mx"},
	{"German month", "Okt 15 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-10-15T12:57:36Z", "mx"},
	{"Polish month", "paź 15 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-10-15T12:57:36Z", "mx"},
	{"Russian month", "ноя 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Japanese month", "11月 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},

	// what is around lines
	{"byte order mark", "\ufeffNov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"colours", "\x1b[36mpostfix-1  |\x1b[0m Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"docker compose", "postfix-mailcow_1    | Nov 23 12:57:36 mail postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mail"},
	{"docker compose, no host", "mail-1  | 2026-11-23T12:57:36.5Z INFO postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.5Z", "mail-1"},
	{"docker logs -t", "2026-11-23T12:57:36.023580464Z 2026-11-23T13:57:36.023027+01:00 mail postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.023027Z", "mail"},
	{"docker logs -t, no stamp", "2026-11-23T12:57:36.023580464Z postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.023580464Z", ""},
	{"kubectl --prefix", "[pod/postfix-0/smtp] Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"stern", "postfix-0 postfix 2026-11-23T12:57:36Z postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "postfix-0"},
	{"grep", "/var/log/mail.info:Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"grep -n of a dated file", "mail.log-20261123.gz:12:Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Docker's journald driver", "Nov 23 13:57:37 node1 docker[32360]: Nov 23 12:57:36 mail postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mail"},
	{"a container called postfix", "Nov 23 13:57:37 node1 postfix[32360]: 2026-11-23 12:57:36 mail postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mail"},
	{"the same without a stamp", "Nov 23 12:57:36 node1 postfix[32360]: postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "node1"},
	{"Docker's syslog driver", "<30>Nov 23 13:57:37 node1 docker/mail/7d1ad8e9c7f8[822]: Nov 23 12:57:36 mail postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mail"},
	{"RFC 5424 around a line", "<30>1 2026-11-23T13:57:37.5+01:00 node1 mail 474 mail - Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},

	// Kubernetes and Docker: their year and zone complete the line's own stamp
	{"CRI", "2024-11-23T12:57:36.9Z stdout F Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2024-11-23T12:57:36Z", "mx"},
	{"CRI at the turn of the year", "2025-01-01T00:00:00.2Z stdout F Dec 31 23:59:59 mx postfix/DAEMON[474]: BODY", "2024-12-31T23:59:59Z", "mx"},
	{"CRI, a container with a zone", "2026-11-23T12:57:36.9Z stderr F Nov 23 13:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"CRI, no stamp", "2026-11-23T12:57:36.9Z stdout F postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36.9Z", ""},
	{"Docker", `{"log":"Nov 23 12:57:36 mail postfix/DAEMON[474]: JSON\n","stream":"stdout","time":"2024-11-23T12:57:36.023580464Z"}`, "2024-11-23T12:57:36Z", "mail"},
	{"Docker, no stamp", `{"log":"postfix/DAEMON[474]: JSON\n","stream":"stdout","time":"2026-11-23T12:57:36.023580464Z"}`, "2026-11-23T12:57:36.023580464Z", ""},

	// JSON
	{"boky/postfix", `{"@timestamp": "2026-11-23T12:57:36.376231+00:00", "tag": "postfix/DAEMON[474]:", "hostname": "mx", "program": "postfix/DAEMON", "priority": "22", "message": " JSON", "end_msg": ""}`, "2026-11-23T12:57:36.376231Z", "mx"},
	{"mailcow", `{"time":"1795438656","program":"postfix/DAEMON","priority":"info","message":"JSON"}`, "2026-11-23T12:57:36Z", ""},
	{"journal, identifier twice", `{"__REALTIME_TIMESTAMP":"1795438656123456","_HOSTNAME":"mx","SYSLOG_IDENTIFIER":["postfix/DAEMON","postfix/DAEMON"],"_PID":"4","MESSAGE":"JSON"}`, "2026-11-23T12:57:36.123456Z", "mx"},
	{"journal of a container", `{"__REALTIME_TIMESTAMP":"1795438656123456","_HOSTNAME":"node1","SYSLOG_IDENTIFIER":"mailserver","MESSAGE":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON"}`, "2026-11-23T12:57:36Z", "mx"},
	{"rsyslog", `{"msg":" JSON","timereported":"2026-11-23T12:57:36+01:00","hostname":"mx","syslogtag":"postfix/DAEMON[4]:","syslogfacility-text":"mail"}`, "2026-11-23T11:57:36Z", "mx"},
	{"syslog-ng", `{"PROGRAM":"postfix/DAEMON","PRIORITY":"info","PID":"4","MESSAGE":"JSON","HOST":"mx","ISODATE":"2026-11-23T12:57:36+00:00"}`, "2026-11-23T12:57:36Z", "mx"},
	{"Vector", `{"appname":"postfix/DAEMON","facility":"mail","hostname":"mx","message":"JSON","procid":474,"timestamp":"2026-11-23T12:57:36Z","source_type":"syslog"}`, "2026-11-23T12:57:36Z", "mx"},
	{"Filebeat with a whole line", `{"@timestamp":"2026-11-23T12:58:00Z","log":{"offset":12,"file":{"path":"/var/log/mail.log"}},"message":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON","host":{"name":"agent"}}`, "2026-11-23T12:57:36Z", "mx"},
	{"Filebeat's system module", `{"@timestamp":"2026-11-23T12:57:36Z","message":"JSON","process":{"name":"postfix/DAEMON","pid":4},"host":{"hostname":"mx"}}`, "2026-11-23T12:57:36Z", "mx"},
	{"names with dots", `{"@timestamp":"2026-11-23T12:57:36Z","host.name":"mx","process.name":"postfix/DAEMON","message":"JSON"}`, "2026-11-23T12:57:36Z", "mx"},
	{"Elasticsearch", `{"_index":"mail","_source":{"@timestamp":"2026-11-23T12:57:36Z","message":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON"}}`, "2026-11-23T12:57:36Z", "mx"},
	{"GELF", `{"version":"1.1","host":"mx","short_message":"JSON","timestamp":1795438656.25,"level":6,"_application_name":"postfix/DAEMON"}`, "2026-11-23T12:57:36.25Z", "mx"},
	{"Loki", `{"labels":{"job":"mail","host":"mx"},"line":"postfix/DAEMON[4]: JSON","timestamp":"2026-11-23T12:57:36Z"}`, "2026-11-23T12:57:36Z", "mx"},
	{"fluentd", "2026-11-23T12:57:36+00:00\tmail.info\t" + `{"host":"mx","ident":"postfix/DAEMON","pid":"4","message":"JSON"}`, "2026-11-23T12:57:36Z", "mx"},
	{"fluent-bit", `{"date":1795438656.5,"log":"postfix/DAEMON[4]: JSON","kubernetes":{"pod_name":"postfix-0"}}`, "2026-11-23T12:57:36.5Z", "postfix-0"},
	{"Filebeat with a program and a whole line", `{"@timestamp":"2026-11-23T12:57:36Z","process":{"name":"postfix/DAEMON"},"message":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON","host":{"name":"agent"}}`, "2026-11-23T12:57:36Z", "mx"},
	{"Azure", `{"TimeGenerated":"2026-11-23T12:57:36Z","Computer":"mx","ProcessName":"postfix/DAEMON","SyslogMessage":"JSON"}`, "2026-11-23T12:57:36Z", "mx"},
	{"Splunk with a whole line", `{"time":1795438660,"host":"agent","event":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON"}`, "2026-11-23T12:57:36Z", "mx"},
	{"Splunk", `{"time":"1795438656.25","host":"mx","event":{"message":"JSON","program":"postfix/DAEMON"}}`, "2026-11-23T12:57:36.25Z", "mx"},
	{"OpenTelemetry", `{"timeUnixNano":"1795438660000000000","body":{"stringValue":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON"}}`, "2026-11-23T12:57:36Z", "mx"},
	{"a line in an object in an object", `{"message":"{\"log\":\"Nov 23 12:57:36 mx postfix/DAEMON[4]: 4f1XyZabcd: removed\\n\"}","@timestamp":"2026-11-23T12:57:36Z"}`, "", ""},

	// tables
	{"CSV", `"2026-11-23T12:57:36Z","mx","postfix/DAEMON[474]","QUOTED"`, "2026-11-23T12:57:36Z", "mx"},
	{"CSV with a whole line", `"2026-11-23T12:57:40Z","loghost","Nov 23 12:57:36 mx postfix/DAEMON[474]: QUOTED"`, "2026-11-23T12:57:36Z", "mx"},
	{"CSV without quotes", `2026-11-23T12:57:36Z,mx,postfix/DAEMON,474,BODY`, "2026-11-23T12:57:36Z", "mx"},
	{"CSV with semicolons", `2026-11-23 12:57:36;mx;mail;info;postfix/DAEMON[474]:;"QUOTED"`, "2026-11-23T12:57:36Z", "mx"},

	{"Kibana's CSV", `"Nov 23, 2026 @ 12:57:36.123","mx","postfix/DAEMON[474]","QUOTED"`, "2026-11-23T12:57:36.123Z", "mx"},
	{"CSV with an American date", `"11/23/2026, 01:57:36 PM","mx","postfix/DAEMON[474]","QUOTED"`, "2026-11-23T13:57:36Z", "mx"},
	{"logfmt", `time=2026-11-23T12:57:36Z level=info host=mx program=postfix/DAEMON pid=4 msg="JSON"`, "2026-11-23T12:57:36Z", "mx"},
	{"logfmt with a whole line", `ts=2026-11-23T12:57:40Z host=agent msg="Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON"`, "2026-11-23T12:57:36Z", "mx"},

	// systems and collectors of other kinds
	{"syslog-ng with a chain of hosts", "Nov 23 12:57:36 s_net@mx/mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "s_net@mx/mx"},
	{"AIX", "Nov 23 12:57:36 mx mail:info postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Sophos UTM", "2026:11:23-12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"macOS", "2026-11-23 12:57:36.123456+0100  mx DAEMON[474]: BODY", "2026-11-23T11:57:36.123456Z", "mx"},
	{"macOS, log show", "2026-11-23 12:57:36.123456+0100 0x1a2b3    Default     0x0                  474    0    DAEMON: (postfix) BODY", "2026-11-23T11:57:36.123456Z", ""},
	{"metalog", "Nov 23 12:57:36 [postfix/DAEMON] BODY", "2026-11-23T12:57:36Z", ""},
	{"socklog", "2026-11-23_12:57:36.12345 mail.info: Nov 23 12:57:36 postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", ""},
	{"logread of OpenWrt", "Mon Nov 23 12:57:36 2026 mail.info postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", ""},
	{"the clock of a router is not synchronised", "*Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"digits alone", "20261123125736 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Unix seconds with a mark", "@1795438656 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"East Asian date", "2026年11月23日 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Korean date", "2026년 11월 23일 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Vietnamese month", "Th11 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Icelandic month", "nóv 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Bulgarian month", "ное 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"colons apart", "Nov 23 12:57:36 mx : postfix/DAEMON[474] : BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a dash behind the tag", "Nov 23 12:57:36 mx postfix/DAEMON[474] - BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a process behind the tag", "Nov 23 12:57:36 mx postfix/DAEMON: [474] BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a severity behind the tag", "Nov 23 12:57:36 mx postfix/DAEMON[474]: 6 BODY", "2026-11-23T12:57:36Z", "mx"},
	{"facility and level behind the tag", "Nov 23 12:57:36 mx postfix/DAEMON[474]: [mail.info] BODY", "2026-11-23T12:57:36Z", "mx"},
	{"two colons behind the tag", "Nov 23 12:57:36 mx postfix/DAEMON[474]: : BODY", "2026-11-23T12:57:36Z", "mx"},
	{"a JSON string", `"Nov 23 12:57:36 mx postfix/DAEMON[474]: JSON"`, "2026-11-23T12:57:36Z", "mx"},
	{"bytes as Python prints them", "b'Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY'", "2026-11-23T12:57:36Z", "mx"},
	{"a quoted line of a mail", "> Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Docker Swarm", "mail_postfix.1.abc123xyz456@node1    | Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"the id of a container as the tag", "Nov 23 13:57:36 node1 7d1ad8e9c7f8[822]: Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"kail", "mail/postfix-0[postfix]: Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"supervisor", "postfix_00 stdout | Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"pm2", "0|postfix  | Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"aws logs tail", "2026-11-23T12:57:36.023000+00:00 mail/log/7d1ad8e9c7f8 Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"archives of Wazuh", "2026 Nov 23 12:57:38 (agent) 192.0.2.1->/var/log/mail.log Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY", "2026-11-23T12:57:36Z", "mx"},
	{"Wazuh", `{"timestamp":"2026-11-23T12:57:38.000+0000","agent":{"id":"001","name":"node1"},"full_log":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON","predecoder":{"program_name":"postfix/DAEMON","timestamp":"Nov 23 12:57:36","hostname":"mx"},"location":"/var/log/mail.log"}`, "2026-11-23T12:57:36Z", "mx"},
	{"VictoriaLogs", `{"_time":"2026-11-23T12:57:36Z","_msg":"JSON","app_name":"postfix/DAEMON","hostname":"mx"}`, "2026-11-23T12:57:36Z", "mx"},
	{"LogDNA", `{"_line":"JSON","_app":"postfix/DAEMON","_host":"mx","_ts":1795438656000}`, "2026-11-23T12:57:36Z", "mx"},
	{"Better Stack", `{"dt":"2026-11-23T12:57:36Z","message":"JSON","syslog":{"appname":"postfix/DAEMON","hostname":"mx"}}`, "2026-11-23T12:57:36Z", "mx"},
	{"Datadog", `{"content":{"timestamp":"2026-11-23T12:57:36Z","host":"mx","message":"JSON","attributes":{"syslog":{"appname":"postfix/DAEMON"}}}}`, "2026-11-23T12:57:36Z", "mx"},
	{"Graylog", `{"index":"graylog_0","message":{"_id":"1","message":"JSON","application_name":"postfix/DAEMON","source":"mx","timestamp":"2026-11-23T12:57:36.000Z"}}`, "2026-11-23T12:57:36Z", "mx"},
	{"Azure's containers", `{"TimeGenerated":"2026-11-23T12:57:36Z","LogMessage":"Nov 23 12:57:36 mx postfix/DAEMON[4]: JSON","PodName":"postfix-0"}`, "2026-11-23T12:57:36Z", "mx"},
	{"NXLog", `{"EventReceivedTime":"2026-11-23 12:57:37","Hostname":"mx","EventTime":"2026-11-23 12:57:36","SourceName":"postfix/DAEMON","Message":"JSON"}`, "2026-11-23T12:57:36Z", "mx"},
	{"rsyslog's programname ends at the slash", `{"msg":"JSON","timereported":"2026-11-23T12:57:36+00:00","hostname":"mx","syslogtag":"postfix/DAEMON[4]:","programname":"postfix"}`, "2026-11-23T12:57:36Z", "mx"},
	{"journalctl -o json-sse", `data: {"__REALTIME_TIMESTAMP":"1795438656123456","_HOSTNAME":"mx","SYSLOG_IDENTIFIER":"postfix/DAEMON","MESSAGE":"JSON"}`, "2026-11-23T12:57:36.123456Z", "mx"},
	{"journalctl -o json-seq", "\x1e" + `{"__REALTIME_TIMESTAMP":"1795438656123456","_HOSTNAME":"mx","SYSLOG_IDENTIFIER":"postfix/DAEMON","MESSAGE":"JSON"}`, "2026-11-23T12:57:36.123456Z", "mx"},
	{"journalctl -o json-pretty", "{\n\t\"__REALTIME_TIMESTAMP\" : \"1795438656123456\",\n\t\"_HOSTNAME\" : \"mx\",\n\t\"SYSLOG_IDENTIFIER\" : \"postfix/DAEMON\",\n\t\"MESSAGE\" : \"JSON\"\n}", "2026-11-23T12:57:36.123456Z", "mx"},
	{"an array printed by jq", "  {\n    \"host\": {\n      \"name\": \"mx\"\n    },\n    \"@timestamp\": \"2026-11-23T12:57:36Z\",\n    \"tags\": [\n      1,\n      \"mail\"\n    ],\n    \"message\": \"postfix/DAEMON[4]: JSON\"\n  },", "2026-11-23T12:57:36Z", "mx"},
	{"journalctl -o verbose", "Mon 2026-11-23 12:57:36.123456 UTC [s=7;i=1;b=3;m=4;t=5;x=6]\n    PRIORITY=6\n    _UID=0\n    MESSAGE=BODY\n    SYSLOG_IDENTIFIER=postfix/DAEMON\n    _HOSTNAME=mx\n    _COMM=DAEMON\n    _EXE=/usr/lib/postfix/sbin/DAEMON\n    _PID=474", "2026-11-23T12:57:36.123456Z", "mx"},

	{"journalctl -o export", "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795438656123456\n_HOSTNAME=mx\nSYSLOG_IDENTIFIER=postfix/DAEMON\n_PID=474\nMESSAGE=BODY\n", "2026-11-23T12:57:36.123456Z", "mx"},
}

// Whatever the header, the lines say the same.
func TestHeadersOfAllForms(t *testing.T) {
	want := row(events(newParser(t, ""), withHeader("Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY")))
	for _, tt := range headerTests {
		if tt.time == "" {
			continue
		}
		p := newParser(t, "")
		all := events(p, withHeader(tt.form))
		if got := row(all); got != want {
			t.Errorf("%s: %s\n got %s\nwant %s\nnot parsed: %v", tt.name, tt.form, got, want, p.TakeUnparsed())
			continue
		}
		last := all[len(all)-1]
		if got := last.At.Format(time.RFC3339Nano); got != tt.time || last.Host != tt.host {
			t.Errorf("%s: %s\n got %s of %q\nwant %s of %q", tt.name, tt.form, got, last.Host, tt.time, tt.host)
		}
	}
}

// The same line gives the same row wherever a batch begins.
func TestHeadersAreReadTheSameBehindAnyOther(t *testing.T) {
	alone := make([][]bounce.Event, len(headerTests))
	for i, tt := range headerTests {
		alone[i] = events(newParser(t, ""), withHeader(tt.form))
	}
	for _, first := range headerTests {
		for i, tt := range headerTests {
			if tt.time == "" || first.time == "" || strings.Contains(tt.form, "Nov 3 ") || strings.Contains(tt.form, "Okt") || strings.Contains(first.form, "202") && !strings.Contains(first.form, "2026") {
				continue
			}
			p := newParser(t, "")
			events(p, withHeader(first.form))
			got := events(p, withHeader(tt.form))
			if !slices.Equal(got, alone[i]) {
				t.Errorf("%s behind %s:\n got %v\nwant %v", tt.name, first.name, describeAll(got), describeAll(alone[i]))
			}
		}
	}
}

// Other mail servers are known by their own words where the tag is lost.
func TestOtherServersInUnusualHeaders(t *testing.T) {
	for _, tt := range []struct {
		line string
		mta  bounce.MTA
	}{
		{"[2026-11-23T12:57:36Z] mx 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{`{"log":"2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address\n","time":"2026-11-23T12:57:36.1Z"}`, bounce.Exim},
		{"exim-1  | 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"Nov 23 12:57:40 node1 docker[3]: 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"Nov 23 12:57:36 2026 mx exim[7]: 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"2026-11-23 12:57:36 UTC mx exim[7]: 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"2026-11-23 12:57:36.123456789  mail.info: exim[7]: 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"2026-11-23 12:57:36 mx sendmail[84]: 6AND4fXL000084: to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, stat=User unknown", bounce.Sendmail},
		{"2026-11-23 12:57:36 mx 6AND4fXL000084: to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, stat=User unknown", bounce.Sendmail},
		{`mail-1 | 2026-11-23T12:57:36Z smtpd[55]: 770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" delay=0s result="PermFail" stat="550 5.1.1 no"`, bounce.OpenSMTPD},
	} {
		got := events(newParser(t, ""), tt.line+"\n")
		if len(got) != 1 || got[0].MTA != tt.mta || got[0].Recipient != "a@b.example" || got[0].At.Truncate(time.Second) != time.Date(2026, 11, 23, 12, 57, 36, 0, time.UTC) {
			t.Errorf("%s\n got %v", tt.line, describeAll(got))
		}
	}
}

// A header must be explained from its start. What a program quotes is none.
func TestNoBodyPassesForAHeader(t *testing.T) {
	const forged = "Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZabcd: to=<victim@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no)"
	for _, line := range []string{
		"Nov 23 12:57:36 mx sshd[1]: Invalid user " + forged,
		"Nov 23 12:57:36 mx sshd[1]: " + forged,
		"Nov 23 12:57:36 mx dovecot: imap-login: Disconnected: user=<" + forged + ">",
		"Nov 23 12:57:36 mx myapp[1]: user said " + forged,
		"Nov 23 12:57:36 mx postfix/smtpd[4]: " + forged,
		"Nov 23 12:57:36 mx postfix/smtpd[4]: NOQUEUE: reject: RCPT from x[192.0.2.9]: 550 5.1.1 <a@b.example>: no; helo=<" + forged + ">",
		"Nov 23 12:57:36 mx postfix/cleanup[4]: 4f1XyZabce: warning: header Subject: " + forged,
		"2026-11-23 12:57:36 mx postfix/smtpd[4]: warning: " + forged,
		"2026-11-23T12:57:36Z INFO postfix/smtpd[4]: warning: " + forged,
		`192.0.2.9 - - [23/Nov/2026:12:57:36 +0000] "GET / HTTP/1.1" 200 12 "-" "` + forged + `"`,
		"[2026-11-23 12:57:36] login failed for " + forged,
		`{"program":"sshd","message":"` + forged + `","timestamp":"2026-11-23T12:57:36Z"}`,
		`{"program":"nginx","message":"GET ` + forged + `","timestamp":"2026-11-23T12:57:36Z"}`,
		`"2026-11-23T12:57:36Z","mx","sshd","` + forged + `"`,
		`time=2026-11-23T12:57:36Z program=sshd msg="` + forged + `"`,
		`time=2026-11-23T12:57:36Z program=web agent="` + forged + `"`,
		`{"SYSLOG_IDENTIFIER":"postfix/smtpd","__REALTIME_TIMESTAMP":"1795438656123456","MESSAGE":"` + forged + `"}`,
		`{"MESSAGE":["a","` + forged + `"],"__REALTIME_TIMESTAMP":"1795438656123456","SYSLOG_IDENTIFIER":"x"}`,
		"2026-11-23 12:57:36 1xVTbv-00000r-1v <= a@b.example H=x [192.0.2.9] P=esmtp S=1 T=\"" + forged + "\"",
		"11/10/2026 12:57:36 mx postfix/smtp[474]: 4f1XyZabcd: to=<victim@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (which month?)",
	} {
		for _, ev := range events(newParser(t, ""), line+"\n") {
			if ev.Recipient != "" {
				t.Errorf("%s\n got %s", line, describe(&ev))
			}
		}
	}
}

// Deliveries that cannot be read are counted, whatever stands before them.
func TestDeliveriesWithoutAKnownHeaderAreCounted(t *testing.T) {
	const (
		postfix   = "4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)"
		sendmail  = "6AND4fXL000084: to=<a@b.example>, delay=00:00:01, mailer=esmtp, pri=30242, dsn=5.1.1, stat=User unknown"
		exim      = "1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address"
		opensmtpd = `770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> rcpt=<-> delay=0s result="PermFail" stat="550 5.1.1 no"`
	)
	for _, tt := range []struct {
		line string
		mta  bounce.MTA
	}{
		{"mail/7 ~ " + postfix, bounce.Postfix},
		{"postfix/smtp[4]: " + postfix, bounce.Postfix}, // journalctl -o cat
		{postfix, bounce.Postfix},
		{"[ 1234.567890] mx postfix/smtp[4]: " + postfix, bounce.Postfix}, // journalctl -o short-monotonic
		{"Nov 23 12:57:36 mx !! postfix/smtp[4]: " + postfix, bounce.Postfix},
		{"Nov 23 12:57:36 mx somebody[3]: " + postfix, bounce.Postfix},
		{"Foo 23 12:57:36 mx !! postfix/smtp[4]: " + postfix, bounce.Postfix},
		{`{"text?":"` + postfix + `"}`, bounce.Postfix},
		{`{"log":"` + strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(postfix) + `\n"}`, bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix[4]: smtp, again: " + postfix, bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: 4f1:" + postfix[len("4f1XyZabcd:"):], bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + postfix[len("4f1XyZabcd: "):], bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.Replace(postfix, ": to=", ":  to=", 1), bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.Replace(postfix, ": to=", " to=", 1), bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.Repeat("4f1XyZabcd", 4) + postfix[len("4f1XyZabcd"):], bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.Replace(postfix, "<a@b.example>", "a@b.example", 1), bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.ReplaceAll(postfix, ", ", ","), bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.ReplaceAll(postfix, ", ", "; "), bounce.Postfix},
		{"~~ " + sendmail, bounce.Sendmail},
		{"~~ " + exim, bounce.Exim},
		{exim, bounce.Exim},
		{"~~ " + opensmtpd, bounce.OpenSMTPD},
		{"Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (" + strings.Repeat("x", 40_000) + ")", bounce.Postfix},
	} {
		p := newParser(t, "")
		got := events(p, tt.line+"\n")
		unparsed := p.TakeUnparsed()
		if len(got) > 0 || len(unparsed) != 1 || unparsed[0].MTA != tt.mta || unparsed[0].Count != 1 || p.Counts().Unparsed != 1 {
			t.Errorf("%.200s\n got %v, counted %.300v, want one line of %s counted", tt.line, describeAll(got), unparsed, tt.mta)
		}
	}
}

// A shape groups lines and is logged, so it holds no address.
func TestShapesOfUnparsedLinesHoldNoAddress(t *testing.T) {
	p := newParser(t, "")
	for _, to := range []string{"jane@b.example", "joe@c.example"} {
		events(p, "~~ 6AND4fXL000084: to="+to+", delay=00:00:01, mailer=esmtp, pri=30242, dsn=5.1.1, stat=User unknown\n"+
			"~~ 1xVTbv-00000r-1v ** "+to+" R=x T=y: Unrouteable address\n")
	}
	unparsed := p.TakeUnparsed()
	if len(unparsed) != 2 {
		t.Errorf("%d shapes, want 2: %v", len(unparsed), unparsed)
	}
	for _, u := range unparsed {
		if strings.Contains(u.Shape, "example") || u.Count != 2 {
			t.Errorf("the shape %q was counted %d times, want twice and without an address", u.Shape, u.Count)
		}
	}
}

func TestALogOfAnotherProgramIsForeign(t *testing.T) {
	p := newParser(t, "")
	for range 100 {
		if p.Foreign() {
			t.Fatalf("foreign after %d lines", p.Counts().Lines)
		}
		events(p, "Nov 23 12:57:36 mx dovecot: imap-login: Login: user=<a@b.example>\n")
	}
	if !p.Foreign() {
		t.Error("a log of Dovecot is not foreign after 100 lines")
	}
	events(p, "2026-11-23 12:57:36 mx postfix/smtpd[4]: connect from client.example[192.0.2.9]\n")
	if p.Foreign() {
		t.Error("still foreign behind a line of Postfix")
	}
}

// Exim's own stamp names the year and the fraction that syslog's does not.
func TestTheStampOfEximCompletesThatOfSyslog(t *testing.T) {
	for line, want := range map[string]string{
		"Feb 14 18:12:33 mx exim[47012]: 2025-02-14 18:12:33.501 [47012] ":                 "2025-02-14T18:12:33.501Z",
		"Feb 14 18:12:33 mx exim[47012]: 2025-02-14 18:12:33 +0100 ":                       "2025-02-14T17:12:33Z",
		"2025-02-14T18:12:33.7+01:00 mx exim[47012]: 2025-02-14 18:12:33 ":                 "2025-02-14T17:12:33Z",
		"2025-02-14T18:12:33.7+01:00 mx exim[47012]: ":                                     "2025-02-14T17:12:33.7Z",
		"2025-02-14T17:12:33.7Z stdout F 2025-02-14 18:12:33 ":                             "2025-02-14T17:12:33Z",
		"2025-02-14T17:12:33.7Z stdout F Feb 14 18:12:33 mx exim[1]: 2025-02-14 18:12:33 ": "2025-02-14T17:12:33Z",
	} {
		got := events(newParser(t, ""), line+"1tixMn-00000000C5j-1wRa ** a@b.example R=x T=y: Unrouteable address\n")
		if len(got) != 1 || got[0].At.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: got %v, want %s", line, describeAll(got), want)
		}
	}
}

// An entry of the export form may be cut in two by a batch, and hold a value
// that is no text.
func TestExportedEntries(t *testing.T) {
	body := "4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (caf\xe9)"
	log := "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795438656123456\nMESSAGE\n" + string([]byte{byte(len(body)), 0, 0, 0, 0, 0, 0, 0}) + body + "\n_HOSTNAME=mx\nSYSLOG_IDENTIFIER=postfix/smtp\n\n"
	whole := events(newParser(t, ""), log)
	if len(whole) != 1 || whole[0].Recipient != "a@b.example" || whole[0].Host != "mx" {
		t.Fatalf("got %v", describeAll(whole))
	}
	//nolint:staticcheck // the numbers of the bytes are wanted, not the text
	asJSON := events(newParser(t, ""), `{"__REALTIME_TIMESTAMP":"1795438656123456","_HOSTNAME":"mx","SYSLOG_IDENTIFIER":"postfix/smtp","MESSAGE":`+strings.ReplaceAll(fmt.Sprint([]byte(body)), " ", ",")+"}\n")
	if len(asJSON) != 1 || asJSON[0] != whole[0] {
		t.Errorf("as JSON: %v, want %v", describeAll(asJSON), describeAll(whole))
	}
	for at, c := range log {
		if c != '\n' {
			continue
		}
		p := newParser(t, "")
		got := events(p, log[:at+1])
		p, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: noon, State: p.State()})
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, events(p, log[at+1:])...); len(got) != 1 || got[0] != whole[0] {
			t.Errorf("cut at %d: %v", at, describeAll(got))
		}
	}
}

// FuzzHeaders composes headers of parts. Whatever they are, a line says the same
// as with a plain header, or it is counted.
func FuzzHeaders(f *testing.F) {
	sources := []string{"", "mail-1  | ", "[pod/postfix-0/mail] ", "/var/log/mail.log:", "12:", "\ufeff", "\x1b[32mmail |\x1b[0m ", "  ", "<22>", "postfix-0 postfix "}
	outers := []string{"", "2026-11-23T12:57:36.9Z ", "2026-11-23T12:57:36.9Z stdout F ", "Nov 23 12:57:37 node1 docker[3]: ", "<30>1 2026-11-23T12:57:36.9Z node1 mail 8 mail - "}
	stamps := []string{"Nov 23 12:57:36", "2026-11-23T12:57:36Z", "2026-11-23 12:57:36", "Nov 23 12:57:36 2026", "2026 Nov 23 12:57:36", "nov. 23 12:57:36", "Mon 2026-11-23 12:57:36 UTC", "20261123T125736Z", "1795438656", "[2026-11-23 12:57:36,000]", "23/Nov/2026:12:57:36 +0000", "Mon Nov 23 12:57:36 UTC 2026"}
	hosts := []string{"", " mx", " mx mail.info", " <mail.info> mx", " mail.info mx", " 192.0.2.7 mx", " INFO", " [info] mx"}
	tags := []string{"postfix/smtp[474]: ", "postfix/smtp[474] ", "postfix/smtp: ", "postfix/smtp[474]:  ", "postfix/smtp[474]:", "postfix-out/smtp[474]: ", "postfix/submission/smtp[4]: "}
	body := messageLines[2].body
	for i := range 240 {
		f.Add(uint8(i), uint8(i/3), uint8(i/2), uint8(i/5), uint8(i/7), body)
	}
	f.Fuzz(func(t *testing.T, source, outer, stamp, host, tag uint8, body string) {
		if strings.ContainsAny(body, "\n\r\x1b\ufeff") || strings.Contains(body, "#033[") || strings.TrimSpace(body) != body || strings.HasPrefix(body, "[") {
			return
		}
		// A stamp of its own, the tag of a server, or a list's delimiter may begin a body.
		plain := events(newParser(t, ""), "Nov 23 12:57:36 mx postfix/smtp[474]: "+body+"\n")
		if len(plain) != 1 || plain[0].Kind != bounce.EventAttempt {
			return
		}
		line := pick(sources, source) + pick(outers, outer) + pick(stamps, stamp) + pick(hosts, host) + " " + pick(tags, tag) + body
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 {
			t.Fatalf("%s\n got %v", line, describeAll(got))
		}
		if !got[0].At.Equal(plain[0].At) {
			t.Errorf("%s\n got %s, want %s", line, got[0].At, plain[0].At)
		}
		for _, ev := range []*bounce.Event{&got[0], &plain[0]} {
			ev.Host, ev.ID, ev.At = "", bounce.EventID{}, time.Time{}
		}
		if got[0] != plain[0] {
			t.Errorf("%s\n got %s\nwant %s", line, describe(&got[0]), describe(&plain[0]))
		}
	})
}

func pick(parts []string, n uint8) string { return parts[int(n)%len(parts)] }
