package logparse

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// The server that was asked to accept a message.

// setRelay fills in the host that was asked. The names of transports that ask no
// host are left out.
func setRelay(r *bounce.Reply, host, ip string) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if isIPv4(ip) {
		r.RelayIP = ip
	} else if a, err := netip.ParseAddr(strings.TrimPrefix(ip, "IPv6:")); err == nil {
		r.RelayIP = a.String()
	}
	switch host {
	case "none", "local", "virtual", "":
		return
	}
	if isDigit(host[len(host)-1]) || strings.IndexByte(host, ':') >= 0 {
		if _, err := netip.ParseAddr(host); err == nil {
			return // an address instead of the name
		}
	}
	r.RelayHost = clean(host)
}

// sentRelay returns the name of a server that took a message, as setRelay does. It
// allocates nothing for most names, because most deliveries succeed.
func sentRelay(host string) string {
	for i := range len(host) {
		if c := host[i]; 'A' <= c && c <= 'Z' || c >= 0x80 || c <= ' ' || c == '.' && i == len(host)-1 {
			var r bounce.Reply
			setRelay(&r, host, "")
			return r.RelayHost
		}
	}
	return host
}

// isIPv4 reports whether s is an address such as 192.0.2.1, as it is printed.
func isIPv4(s string) bool {
	parts := 0
	for at := 0; at < len(s); at++ {
		number, from := 0, at
		for at < len(s) && isDigit(s[at]) && at < from+3 {
			number = 10*number + int(s[at]-'0')
			at++
		}
		if at == from || number > 255 || s[from] == '0' && at > from+1 {
			return false
		}
		if parts++; at == len(s) {
			return parts == 4
		}
		if s[at] != '.' {
			return false
		}
	}
	return false
}

func setPort(r *bounce.Reply, port string) {
	if port == "" {
		return
	}
	if n, err := strconv.Atoi(port); err == nil && 0 < n && n < 1<<16 {
		r.RelayPort = n
	}
}

// isNear reports whether an address is this machine's or of a private network.
func isNear(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a.Unmap()))
}

// sharedSpace is that of carriers (RFC 6598), which overlay networks and clusters
// use too.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// postfixNear reports whether the address of a relay is this machine's or of a
// private network, or a socket's path.
func postfixNear(ip string) bool {
	if ip == "" {
		return false
	}
	switch ip[0] {
	case '1', 'f', 'F', ':':
		return isNear(ip)
	}
	return strings.IndexByte(ip, '/') >= 0
}
