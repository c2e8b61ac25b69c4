package e2e

func tortureDownOverCopytruncate(x *tortured) {
	x.bounces(50)
	x.start()
	x.seen()
	x.d.kill()
	x.bounces(20)
	x.copyTruncate(0, true)
	x.bounces(10)
	x.start()
}
