package logparse

// Numbers in the lines of logs.

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func digits(b string) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || '9' < c {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

func leadingDigits(text string) (digits, rest string) {
	n := 0
	for n < len(text) && n < 20 && isDigit(text[n]) {
		n++
	}
	return text[:n], text[n:]
}

// leading returns how many digits a text begins with.
func leading(text string) int {
	digits, _ := leadingDigits(text)
	return len(digits)
}

// isNumber reports whether a text has digits only, at most 20.
func isNumber(text string) bool { return leading(text) == len(text) }

// number is the value of digits.
func number(s string) int {
	n, _ := digits(s)
	return n
}
