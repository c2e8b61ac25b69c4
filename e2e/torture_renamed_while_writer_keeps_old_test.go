package e2e

import "time"

func tortureRenamedWhileWriterKeepsOld(x *tortured) {
	x.start()
	for range 5 {
		x.bounces(50)
		x.shift()
		old := x.rename(x.path + ".1")
		x.bounces(20)
		time.Sleep(200 * time.Millisecond) // until SIGHUP
		x.bounces(20)
		x.check(old.Close())
		x.create()
	}
}
