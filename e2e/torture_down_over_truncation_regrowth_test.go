package e2e

func tortureDownOverTruncationRegrowth(x *tortured) {
	x.bounces(50)
	x.start()
	x.seen()
	x.d.kill()
	x.bounces(5)
	x.copyTruncate(0, true)
	x.bounces(500)
	x.start()
}
