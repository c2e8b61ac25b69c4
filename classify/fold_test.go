package classify

import (
	"strings"
	"testing"
)

func TestFoldKeepsWhatRulesRead(t *testing.T) {
	for _, tt := range []struct{ reply, want string }{
		{"550 5.1.1 <Some.One@B.example>: Recipient address rejected: User unknown", "550 5.1.1 <>: recipient address rejected: user unknown"},
		{"550-5.1.1 The account a@b.example does 550-5.1.1 not exist. 550 5.1.1 k9-20020a1a gsmtp", "550 5.1.1 the account <> does not exist. #-# gsmtp"},
		{"550-We do not 550 like you", "550 we do not like you"},
		{"550 5.7.1 [CS01] Message rejected", "550 5.7.1 [cs01] message rejected"},
		{"550 5.7.1 our block list (S3150) [VI1EUR04FT012.eop-eur04.prod.protection.outlook.com]", "550 5.7.1 our block list (s3150) [#.eop-#.prod.protection.outlook.com]"},
		{"552 Boîte pleine. OFR_417 [417]", "552 boîte pleine. ofr_417 [417]"},
		{"connect to mx1.b.example[192.0.2.1]:25: Connection refused", "connect to #[#]:#: connection refused"},
		{"Client host [2001:db8::1] blocked", "client host [#] blocked"},
		{"banned sender[192.0.2.1].", "banned sender[#]."},
		{"553 mailbox a@b.example, is   restricted\n", "553 mailbox <>, is restricted"},
		{"450 try in 300 seconds at 2026-01-02T03:04:05Z", "450 try in # seconds at #-#-#:#:#"},
		{"451 host 192.0.2.17 is bad", "451 host # is bad"},
		{"550 domain’s policy", "550 domain's policy"},
		{"550 < 5 and > 4", "550 < # and > #"},
	} {
		if got := string(fold(nil, tt.reply)); got != tt.want {
			t.Errorf("fold(%q)\n got %q\nwant %q", tt.reply, got, tt.want)
		}
	}
}

func TestFoldMakesOneShapeOfManyMessages(t *testing.T) {
	a := fold(nil, "550 5.1.1 <a@x.example>: unknown, id=4F2A1B99C7, mx7.x.example[192.0.2.1]")
	b := fold(nil, "550 5.1.1 <bob@long.y.example>: unknown, id=99AB77FF01, smtp.y.example[198.51.100.9]")
	if string(a) != string(b) {
		t.Errorf("two shapes of one reply:\n%s\n%s", a, b)
	}
}

func TestURLsAreCutOut(t *testing.T) {
	got := withoutURLs("see https://support.example/spam/?ip=# and <http://x.example/dmarc>.")
	if want := "see (url) and <(url)>."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzFold(f *testing.F) {
	f.Add("550-5.1.1 a@b <c@d> mx[192.0.2.1] 550 5.1.1 é")
	f.Fuzz(func(t *testing.T, text string) {
		once := string(fold(nil, text))
		if strings.Contains(once, "  ") {
			t.Errorf("fold(%q) = %q has two spaces", text, once)
		}
		withoutURLs(once)
	})
}

func BenchmarkFold(b *testing.B) {
	text := "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or unnecessary spaces. 550 5.1.1 https://support.google.com/mail/?p=NoSuchUser 98e67ed59e1d1-2c819db36a9si60 - gsmtp"
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = fold(buf[:0], text)
	}
}
