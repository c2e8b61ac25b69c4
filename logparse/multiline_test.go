package logparse_test

import "testing"

func TestRsyslogsDebugFormat(t *testing.T) {
	entry := func(rawmsg bool) string {
		body := messageLines[2].body
		text := "Debug line with all properties:\nFROMHOST: 'mx', fromhost-ip: '127.0.0.1', HOSTNAME: 'mx', PRI: 22,\n" +
			"syslogtag 'postfix/smtp[474]:', programname: 'postfix', APP-NAME: 'postfix', PROCID: '474', MSGID: '-',\n" +
			"TIMESTAMP: 'Nov 23 12:57:36', STRUCTURED-DATA: '-',\nmsg: ' " + body + "'\nescaped msg: ' " + body + "'\n"
		if rawmsg {
			text += "inputname: imuxsock rawmsg: '<22>Nov 23 12:57:36 postfix/smtp[474]: " + body + "'\n"
		}
		return text + "$!:\n$.:\n$/:\n\n"
	}
	p := newParser(t, "")
	if got := events(p, entry(true)); len(got) != 1 || got[0].Recipient != "gone@b.example" || p.Counts().Unparsed != 0 {
		t.Errorf("got %v, %d lines not parsed", describeAll(got), p.Counts().Unparsed)
	}
	p = newParser(t, "")
	if got := events(p, entry(false)); len(got) != 0 || p.Counts().Unparsed != 1 {
		t.Errorf("without the line as it was received: got %v, %d lines not parsed, want 1", describeAll(got), p.Counts().Unparsed)
	}
}
