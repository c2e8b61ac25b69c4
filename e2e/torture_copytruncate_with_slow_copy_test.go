package e2e

import "time"

func tortureCopytruncateWithSlowCopy(x *tortured) {
	x.start()
	for range 4 {
		x.bounces(50)
		x.copyTruncate(100*time.Millisecond, true)
		x.bounces(5)
	}
}
