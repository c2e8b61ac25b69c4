package e2e

func tortureTruncatedGrownPastOldSize(x *tortured) {
	x.start()
	for range 3 {
		x.bounces(20)
		x.copyTruncate(0, true)
		x.bounces(200)
	}
}
