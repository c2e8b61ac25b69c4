package e2e

func tortureDownOverFourRotationsArchives(x *tortured) {
	x.bounces(50)
	x.start()
	x.seen()
	x.bounces(10)
	x.d.kill()
	for range 4 {
		x.bounces(30)
		x.rotate()
		if exists(x.path + ".2") {
			x.pack(x.path + ".2")
		}
	}
	x.bounces(10)
	x.start()
}
