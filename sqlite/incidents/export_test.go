package incidents

// SetMaxOlder sets how many failures of before an import are loaded, and returns what
// sets it back.
func SetMaxOlder(n int) (back func()) {
	was := maxOlder
	maxOlder = n
	return func() { maxOlder = was }
}
