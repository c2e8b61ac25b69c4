package e2e

func torturePlain(x *tortured) {
	x.start()
	for range 20 {
		x.bounces(50)
	}
}
