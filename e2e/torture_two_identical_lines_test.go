package e2e

func tortureTwoIdenticalLines(x *tortured) {
	x.start()
	for range 40 {
		from := x.all.Len()
		x.bounces(1)
		twice := x.all.String()[from:]
		x.all.WriteString(twice)
		_, err := x.f.WriteString(twice)
		x.check(err)
	}
	x.rotate()
	x.bounces(5)
}
