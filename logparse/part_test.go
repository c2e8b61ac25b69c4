package logparse_test

import (
	"strings"
	"testing"
)

// Sendmail's and OpenSMTPD's lines may lack fields and quotes, and FortiMail puts those of
// its Sendmail into a field.
func TestPartsOfADeliveryOfSendmailAndOpenSMTPD(t *testing.T) {
	for line, want := range map[string]string{
		"Nov 23 12:57:36 pve sm-mta[4]: 6AND4fXL000084: to=<a@b.example>, dsn=5.1.1, stat=User unknown":                                                    `id="6AND4fXL000084" to="a@b.example" outcome="bounced" dsn="5.1.1"`,
		"Nov 23 12:57:36 pve sm-mta[4]: 6AND4fXL000084: to=<a@b.example>, stat=Deferred: Connection refused by mx.b.example.":                              `id="6AND4fXL000084" to="a@b.example" outcome="deferred"`,
		"Nov 23 12:57:36 pve sm-mta[4]: 6AND4fXL000084: to=<a@b.example>, mailer=esmtp, dsn=2.0.0, stat=Sent (ok)":                                         `id="6AND4fXL000084" to="a@b.example" outcome="sent"`,
		"Nov 23 12:57:36 pve sm-mta[4]: 6AND4fXL000084: to=<a@b.example>, delay=00:00:01, mailer=esmtp, dsn=5.0.0,stat=Service unavailable":                `id="6AND4fXL000084" to="a@b.example" outcome="bounced" transport="esmtp" dsn="5.0.0"`,
		"Nov 23 12:57:36 192.0.2.5 Message forwarded from mx: sendmail[4]: 6AND4fXL000084: to=<a@b.example>, delay=00:00:01, dsn=5.1.1, stat=User unknown": `host="mx" id="6AND4fXL000084" to="a@b.example" outcome="bounced"`,

		`date=2026-11-23 time=12:57:36.250 device_id=FEVM0 log_id=0003 type=event subtype=smtp pri=information session_id="6AND4fXL000084-6AND4fXL000085" msg="to=<a@b.example>, delay=00:00:50, mailer=local, pri=58900, dsn=5.1.1, stat=User unknown(Reason from remote:550 5.1.1 no)"`: `12:57:36.25Z sendmail attempt id="6AND4fXL000084" to="a@b.example" outcome="bounced" transport="local" dsn="5.1.1" code="550" enhanced="5.1.1"`,

		"Nov 23 12:57:36 gw smtpd[7]: 8f21a3c4b0aaaaaa mta delivery evpid=8f21a3c4b01bbbbb from=<n@a.example> to=<a@b.example> rcpt=<-> source=192.0.2.1 relay=192.0.2.2 (mx.b.example) delay=1s result=TempFail stat=421 4.7.0 Later": `id="8f21a3c4" to="a@b.example" from="n@a.example" outcome="deferred" transport="mta" code="421" enhanced="4.7.0" relay="mx.b.example" ip="192.0.2.2"`,
		"Nov 23 12:57:36 gw smtpd[7]: 8f21a3c4b0 mta delivery evpid=8f21a3c4b01 from=<n@a.example> to=<a@b.example> result=Ok stat=Sent":                                                                                               `id="8f21a3c4" to="a@b.example" from="n@a.example" outcome="sent"`,
	} {
		p := newParser(t, "")
		got := describeAll(events(p, line+"\n"))
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s\n got %v\nwant %s; not parsed: %v", line, got, want, p.TakeUnparsed())
		}
	}
	for _, line := range []string{
		`date=2026-11-23 time=12:57:36.250 device_id=X session_id="1-2" msg="to=<a@b.example>, delay=00:00:50, mailer=local, pri=58900, dsn=5.1.1, stat=User unknown"`,
		"Nov 23 12:57:36 pve sm-mta[4]: 6AND4fXL000084: to=<a@b.example>, stat=queued",
		`Nov 23 12:57:36 gw smtpd[7]: 8f21a3c4b0aaaaaa mta delivery evpid=8f21a3c4b01bbbbb from=<n@a.example> to=<a@b.example> rcpt=<-> source="-" relay="192.0.2.2 (x) result="Ok" stat="y)" result=Huh stat=x`,
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) > 0 {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
}
