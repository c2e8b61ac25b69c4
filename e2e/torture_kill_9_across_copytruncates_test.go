package e2e

import "time"

func tortureKill9AcrossCopytruncates(x *tortured) {
	x.start()
	for range x.many(5, 10) {
		x.bounces(100)
		time.Sleep(time.Duration(x.rand.IntN(40)) * time.Millisecond)
		x.d.kill()
		x.copyTruncate(0, true)
		x.bounces(x.rand.IntN(200))
		x.start()
	}
}
