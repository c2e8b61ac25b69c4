package logparse

import (
	"cmp"
	"strings"
)

// deliveryParts are the fields in which fluent-plugin-postfix and parsers like it put a
// line of Postfix, without the line:
//
//	{"time":"Nov 23 12:57:36","hostname":"mx","process":"postfix/smtp[474]","queue_id":"4f1XyZ","to":"a@b.example",
//	 "relay":"mx.b.example[192.0.2.1]:25","dsn":"5.1.1","status":"bounced","status_detail":"(host mx.b.example[192.0.2.1] said: …)"}
//
// Others name the fields otherwise, and leave the reason with the status, or in the message.
var deliveryParts = map[string]string{
	"queue_id": "id", "qid": "id", "to": "to", "to_address": "to", "orig_to": "orig_to",
	"relay": "relay", "dsn": "dsn", "status": "status", "status_detail": "reason",
}

// delivery returns the words of Postfix that such an object with a message was made of,
// or an empty string.
func (o *object) delivery(message string) string {
	p := o.parts
	to := strings.TrimSuffix(strings.TrimPrefix(p["to"], "<"), ">")
	if p["id"] == "" || to == "" || p["status"] == "" || strings.ContainsAny(to+p["orig_to"], "<>") {
		return ""
	}
	text := p["id"] + ": to=<" + to + ">"
	if p["orig_to"] != "" {
		text += ", orig_to=<" + p["orig_to"] + ">"
	}
	text += ", relay=" + p["relay"]
	if p["dsn"] != "" {
		text += ", dsn=" + p["dsn"]
	}
	text += ", status=" + p["status"]
	switch reason := cmp.Or(p["reason"], message); {
	case strings.HasPrefix(reason, "("):
		text += " " + reason
	case reason != "":
		text += " (" + reason + ")"
	}
	return text
}
