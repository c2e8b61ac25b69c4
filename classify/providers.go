package classify

import "strings"

// providers are known by the names of their servers: a registered domain, or a
// host below it, and the slug that is stored. MX records of the providers'
// customers end in these too.
var providers = map[string]string{
	"google.com": "google", "googlemail.com": "google", "gmail.com": "google", "psmtp.com": "google",
	"outlook.com": "microsoft", "hotmail.com": "microsoft", "live.com": "microsoft", "office365.us": "microsoft", "microsoft": "microsoft",
	"yahoodns.net": "yahoo", "yahoo.com": "yahoo", "aol.com": "yahoo", "yahoo.co.jp": "yahoo-japan",
	"icloud.com": "apple", "me.com": "apple", "mac.com": "apple", "apple.com": "apple",
	"pphosted.com": "proofpoint", "ppe-hosted.com": "proofpoint", "gslb.pphosted.com": "proofpoint",
	"mimecast.com": "mimecast", "mimecast.co.za": "mimecast",
	"barracudanetworks.com": "barracuda", "cudamail.com": "barracuda",
	"iphmx.com": "cisco", "trendmicro.com": "trendmicro", "trendmicro.eu": "trendmicro",
	"messagelabs.com": "symantec", "mailcontrol.com": "forcepoint", "sophos.com": "sophos", "reflexion.net": "sophos",
	"hornetsecurity.com": "hornetsecurity", "antispameurope.com": "hornetsecurity", "mxlogic.net": "mcafee",
	"fireeyecloud.com": "trellix", "spamexperts.com": "spamexperts", "antispamcloud.com": "spamexperts", "retarus.com": "retarus",
	"comcast.net": "comcast", "att.net": "att", "prodigy.net": "att", "cox.net": "cox", "charter.net": "charter", "rr.com": "charter", "spectrum.com": "charter",
	"verizon.net": "verizon", "centurylink.net": "centurylink", "earthlink.net": "earthlink", "mindspring.com": "earthlink", "vadesecure.com": "vade",
	"gmx.net": "gmx", "gmx.com": "gmx", "web.de": "webde", "t-online.de": "t-online", "freenet.de": "freenet", "mail.com": "gmx",
	"orange.fr": "orange", "wanadoo.fr": "orange", "free.fr": "free", "proxad.net": "free", "sfr.fr": "sfr", "neuf.fr": "sfr", "laposte.net": "laposte", "bbox.fr": "bbox",
	"libero.it": "libero", "iol.it": "libero", "tiscali.it": "tiscali", "aruba.it": "aruba", "virgilio.it": "libero", "register.it": "register",
	"seznam.cz": "seznam", "centrum.cz": "centrum", "volny.cz": "volny", "azet.sk": "azet",
	"wp.pl": "wp", "o2.pl": "wp", "onet.pl": "onet", "interia.pl": "interia",
	"mail.ru": "mailru", "yandex.ru": "yandex", "yandex.net": "yandex", "yandex.com": "yandex", "rambler.ru": "rambler", "ukr.net": "ukrnet", "i.ua": "iua",
	"qq.com": "qq", "163.com": "netease", "126.com": "netease", "netease.com": "netease", "yeah.net": "netease", "aliyun.com": "aliyun",
	"mxhichina.com": "aliyun", "sina.com": "sina", "sina.com.cn": "sina", "sohu.com": "sohu",
	"naver.com": "naver", "daum.net": "daum", "hanmail.net": "daum",
	"docomo.ne.jp": "docomo", "ezweb.ne.jp": "kddi", "au.com": "kddi", "auone-net.jp": "kddi", "softbank.ne.jp": "softbank",
	"softbank.jp": "softbank", "biglobe.ne.jp": "biglobe", "nifty.com": "nifty", "ocn.ad.jp": "ocn", "ocn.ne.jp": "ocn",
	"btinternet.com": "bt", "bt.com": "bt", "talktalk.net": "talktalk", "tiscali.co.uk": "talktalk", "virginmedia.com": "virgin", "sky.com": "sky",
	"bigpond.com": "telstra", "telstra.com": "telstra", "optusnet.com.au": "optus", "xtra.co.nz": "xtra", "rogers.com": "rogers", "bell.net": "bell", "shaw.ca": "shaw", "videotron.ca": "videotron",
	"uol.com.br": "uol", "bol.com.br": "uol", "terra.com.br": "terra", "terra.com": "terra", "ig.com.br": "ig",
	"zoho.com": "zoho", "zoho.eu": "zoho", "zoho.in": "zoho", "messagingengine.com": "fastmail", "fastmail.com": "fastmail", "protonmail.ch": "proton", "proton.me": "proton",
	"secureserver.net": "godaddy", "ovh.net": "ovh", "ovh.ca": "ovh", "kundenserver.de": "ionos", "ionos.com": "ionos", "ionos.de": "ionos",
	"1and1.com": "ionos", "perfora.net": "ionos", "strato.de": "strato", "rzone.de": "strato", "hostinger.com": "hostinger",
	"titan.email": "titan", "dreamhost.com": "dreamhost", "emailsrvr.com": "rackspace", "gandi.net": "gandi", "infomaniak.ch": "infomaniak",
	"ikmail.com": "infomaniak", "hostpoint.ch": "hostpoint", "one.com": "one", "loopia.se": "loopia", "privateemail.com": "namecheap",
	"registrar-servers.com": "namecheap", "improvmx.com": "improvmx", "simplelogin.co": "simplelogin", "forwardemail.net": "forwardemail",
	"migadu.com": "migadu", "mailbox.org": "mailbox-org", "posteo.de": "posteo", "runbox.com": "runbox",
	"amazonaws.com": "amazon", "amazonses.com": "amazon", "awsapps.com": "amazon", "sendgrid.net": "sendgrid", "mailgun.org": "mailgun",
	"mx.cloudflare.net": "cloudflare", "cloudflare.net": "cloudflare", "mtasv.net": "postmark",
	"mailprotect.be": "combell", "telenet.be": "telenet", "proximus.be": "proximus", "ziggo.nl": "ziggo", "kpnmail.nl": "kpn",
	"kpnxchange.com": "kpn", "xs4all.nl": "kpn", "telia.com": "telia", "bluewin.ch": "bluewin", "a1.net": "a1",
}

// slugs are the values of providers.
var slugs = func() map[string]bool {
	all := make(map[string]bool)
	for _, slug := range providers {
		all[slug] = true
	}
	return all
}()

func isProvider(slug string) bool { return slugs[slug] }

// provider returns the slug of the provider that a host belongs to, or "".
func provider(host string) string {
	dots := 0
	for i := len(host) - 1; i >= 0; i-- {
		if host[i] != '.' {
			continue
		}
		if dots++; dots > 1 {
			if slug, ok := providers[host[i+1:]]; ok {
				return slug
			}
		}
		if dots == 4 {
			return ""
		}
	}
	if strings.Contains(host, ".") {
		return providers[host]
	}
	return ""
}
