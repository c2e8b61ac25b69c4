package e2e

func tortureCopytruncateWithoutCopyRead(x *tortured) {
	x.start()
	for range 3 {
		x.bounces(40)
		x.seen()
		x.copyTruncate(0, false)
	}
	x.bounces(1)
}
