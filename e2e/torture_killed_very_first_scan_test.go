package e2e

import "time"

func tortureKilledVeryFirstScan(x *tortured) {
	x.bounces(2_000)
	for range 3 {
		x.start()
		time.Sleep(time.Duration(5+x.rand.IntN(40)) * time.Millisecond)
		x.d.kill()
	}
	x.start()
}
