package e2e

import "time"

func tortureKill9(x *tortured) {
	x.start()
	for range x.many(5, 10) {
		x.bounces(200)
		time.Sleep(time.Duration(x.rand.IntN(60)) * time.Millisecond)
		x.d.kill()
		x.bounces(20)
		x.start()
	}
}
