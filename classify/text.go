package classify

// alnum, digit and letter are sets of bytes.
var alnum, digit, letter = func() (w, d, l [256]bool) {
	for c := range 256 {
		d[c] = '0' <= c && c <= '9'
		l[c] = 'a' <= c|0x20 && c|0x20 <= 'z'
		w[c] = d[c] || l[c]
	}
	return
}()

// byteAt returns the byte at a place, and 0 outside the text.
func byteAt(text string, at int) byte {
	if at < 0 || at >= len(text) {
		return 0
	}
	return text[at]
}
