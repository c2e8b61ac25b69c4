package e2e

import "fmt"

func tortureDownOverRotationsDatedNames(x *tortured) {
	x.bounces(50)
	x.start()
	x.seen()
	x.bounces(10)
	x.d.kill()
	for i := range 4 {
		x.bounces(30)
		to := fmt.Sprintf("%s-202611%02d", x.path, i+10)
		x.check(x.rename(to).Close())
		x.create()
		x.pack(to)
	}
	x.bounces(10)
	x.start()
}
