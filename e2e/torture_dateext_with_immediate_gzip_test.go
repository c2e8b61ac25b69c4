package e2e

import "fmt"

func tortureDateextWithImmediateGzip(x *tortured) {
	x.start()
	for i := range 5 {
		x.bounces(30)
		to := fmt.Sprintf("%s-202611%02d", x.path, i+10)
		x.check(x.rename(to).Close())
		x.create()
		x.pack(to)
	}
	x.bounces(3)
}
