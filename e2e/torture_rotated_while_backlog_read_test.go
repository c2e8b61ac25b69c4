package e2e

func tortureRotatedWhileBacklogRead(x *tortured) {
	x.bounces(x.many(5_000, 30_000))
	x.start()
	for range 3 {
		x.rotate()
		x.bounces(10)
	}
}
