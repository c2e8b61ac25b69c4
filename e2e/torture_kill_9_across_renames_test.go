package e2e

func tortureKill9AcrossRenames(x *tortured) {
	x.start()
	for range x.many(5, 10) {
		x.bounces(100)
		x.d.kill()
		x.rotate()
		x.bounces(50)
		x.start()
	}
}
