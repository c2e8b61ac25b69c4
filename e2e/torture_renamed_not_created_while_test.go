package e2e

func tortureRenamedNotCreatedWhile(x *tortured) {
	x.start()
	x.bounces(50)
	x.seen()
	old := x.rename(x.path + ".1")
	x.bounces(50)
	x.seen()
	x.check(old.Close())
	x.create()
	x.bounces(50)
}
