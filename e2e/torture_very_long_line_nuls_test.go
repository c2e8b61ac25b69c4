package e2e

import "bytes"

func tortureVeryLongLineNULs(x *tortured) {
	x.start()
	x.bounces(5)
	_, err := x.f.Write(bytes.Repeat([]byte{'y'}, 20<<20))
	x.check(err)
	_, err = x.f.WriteString("\n")
	x.check(err)
	x.bounces(5)
	_, err = x.f.Write(make([]byte, 1<<20))
	x.check(err)
	x.bounces(5)
}
