package logparse

import "strings"

// role is what a field of an object is for.
type role uint8

const (
	roleMessage role = iota
	roleProgram
	roleHost
	roleProcess
	roleTime
	roles // how many of them have several names

	roleUID
	roleComm
	roleExe
)

// candidates is how many fields of one role are kept, the best names first.
const candidates = 9

// field is the role of a name, and how far down it stands among the names with
// the same role.
type field struct {
	role role
	rank uint8
}

// fieldNames are the names of fields, best first within their role; those on one
// line are of the same rank. Nested objects are joined by a dot.
var fieldNames = makeFields(map[role]string{
	roleMessage: `MESSAGE message log log.message properties.log
		msg _msg @message syslog_message syslogmessage logmessage log_message logmsg logentry log_entry entry log_body
		full_message fullmessage
		short_message shortmessage eventmessage @m
		line _line logline log_line textpayload text
		rawmsg raw _raw raw_line rawmessage rawstring @rawstring rawdata full_log
		event.original log.original
		content __content__ body data value event event.message event.line event.log body.stringvalue body.message
		@mt t m`,
	roleProgram: `SYSLOG_IDENTIFIER ident program programname prog
		process.name appname app_name app-name _application_name application_name syslog.appname log.syslog.appname
		app _app application syslog_program syslog_identifier identifier
		syslogtag syslog_tag
		process daemon processname processimagepath sourcename event.program predecoder.program_name deviceprocessname sproc log_procname
		labels.program labels.app
		tag
		_COMM`,
	roleHost: `_HOSTNAME hostname
		host _host host.name host.hostname predecoder.hostname
		syslog_hostname sysloghost log.syslog.hostname syslog.hostname logsource
		source server node machine computer dvchost log_hostname
		fromhost fromhost-ip relayhost
		agent.name labels.host labels.hostname labels.instance resource.labels.instance_id
		kubernetes.pod_name kubernetes.pod.name pod pod_name
		container_name containername container.name _container_name`,
	roleProcess: `_PID pid procid proc_id process.pid _process_id process_id log.syslog.procid syslog_pid SYSLOG_PID log_pid`,
	roleTime: `__REALTIME_TIMESTAMP timereported time_reported timestamp_reported
		@timestamp timestamp generated_at
		time _time __time__ @t timestamp.seconds rt log_time
		ts _ts dt datetime isodate date timeunixnano _timestamp timestamp_nanos
		syslog_timestamp _messagetime eventtime event_time event.created
		timegenerated time_generated
		received_at receivedat
		_SOURCE_REALTIME_TIMESTAMP`,
	roleUID: `_UID`, roleComm: `_COMM`, roleExe: `_EXE`,
})

func makeFields(names map[role]string) map[string][]field {
	fields := make(map[string][]field)
	for role, lines := range names {
		for rank, line := range strings.Split(lines, "\n") {
			for name := range strings.FieldsSeq(line) {
				fields[name] = append(fields[name], field{role, uint8(rank)})
			}
		}
	}
	return fields
}

// namesMessage reports whether a name is that of a field for the message.
func namesMessage(name string) bool {
	fields := fieldNames[strings.ToLower(name)]
	return len(fields) > 0 && fields[0].role == roleMessage
}

// fieldKey is what the name of a field means.
type fieldKey struct {
	name   string
	fields []field
	// special means that the field has no role, but may tell something else, see setSpecial.
	special bool
}

// fieldKeys are the names of the fields of the last object, by their place in it. Most
// objects of a log have the same fields.
type fieldKeys [40]fieldKey

var specialFields = makeSet("CONTAINER_PARTIAL_ORDINAL session_id device_id " + namedValues)

func keyOf(name string) fieldKey {
	k := fieldKey{name: name, fields: fieldNames[name]}
	if k.fields != nil {
		return k
	}
	k.special = specialFields[name] || deliveryParts[name] != "" || strings.HasSuffix(name, "status")
	// Azure appends the type: Log_s.
	k.fields = fieldNames[strings.TrimSuffix(strings.ToLower(name), "_s")]
	return k
}
