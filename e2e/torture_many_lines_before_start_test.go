package e2e

func tortureManyLinesBeforeStart(x *tortured) {
	x.bounces(x.many(5_000, 50_000))
	x.start()
}
