package e2e

import "time"

func tortureEmptyLogsRotated(x *tortured) {
	x.start()
	for range 4 {
		x.rotate()
		time.Sleep(30 * time.Millisecond)
	}
	x.bounces(20)
}
