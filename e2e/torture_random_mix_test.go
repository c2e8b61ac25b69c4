package e2e

import "time"

func tortureRandomMix(x *tortured) {
	x.start()
	for range x.many(15, 60) {
		x.bounces(x.rand.IntN(60))
		switch x.rand.IntN(7) {
		case 0:
			x.rotate()
		case 1:
			x.copyTruncate(time.Duration(x.rand.IntN(30))*time.Millisecond, true)
		case 2:
			x.d.kill()
			x.start()
		case 3:
			x.d.kill()
			x.rotate()
			x.bounces(x.rand.IntN(20))
			x.start()
		case 4:
			if exists(x.path + ".2") {
				x.pack(x.path + ".2")
			}
		default:
			time.Sleep(time.Duration(x.rand.IntN(40)) * time.Millisecond)
		}
	}
}
