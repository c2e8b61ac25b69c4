package logparse

import "strings"

// deliveryParts are the fields in which fluent-plugin-postfix and parsers like it put a
// line of Postfix, without the line:
//
//	{"time":"Nov 23 12:57:36","hostname":"mx","process":"postfix/smtp[474]","queue_id":"4f1XyZ","to":"a@b.example",
//	 "relay":"mx.b.example[192.0.2.1]:25","dsn":"5.1.1","status":"bounced","status_detail":"(host mx.b.example[192.0.2.1] said: …)"}
var deliveryParts = makeSet("queue_id to orig_to relay dsn status status_detail")

// delivery returns the words of Postfix that such an object was made of, or an empty
// string.
func (o *object) delivery() string {
	p := o.parts
	if p["queue_id"] == "" || p["to"] == "" || p["relay"] == "" || p["status"] == "" || strings.ContainsAny(p["to"]+p["orig_to"], "<>") {
		return ""
	}
	text := p["queue_id"] + ": to=<" + p["to"] + ">"
	if p["orig_to"] != "" {
		text += ", orig_to=<" + p["orig_to"] + ">"
	}
	text += ", relay=" + p["relay"]
	if p["dsn"] != "" {
		text += ", dsn=" + p["dsn"]
	}
	return text + ", status=" + p["status"] + " (" + strings.TrimSuffix(strings.TrimPrefix(p["status_detail"], "("), ")") + ")"
}
