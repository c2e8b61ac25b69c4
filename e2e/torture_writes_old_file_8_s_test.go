package e2e

import "time"

func tortureWritesOldFile8S(x *tortured) {
	x.start()
	x.bounces(30)
	x.seen()
	x.shift()
	old := x.rename(x.path + ".1")
	x.create()
	x.bounces(10)
	x.seen()
	time.Sleep(8 * time.Second) // a writer that handles SIGHUP slowly
	fresh := x.f
	x.f = old
	x.bounces(20)
	x.check(old.Close())
	x.f = fresh
	x.bounces(10)
}
