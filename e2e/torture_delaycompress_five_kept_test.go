package e2e

import "os"

func tortureDelaycompressFiveKept(x *tortured) {
	x.start()
	for range 8 {
		x.bounces(30)
		x.rotate()
		if exists(x.path + ".2") {
			x.pack(x.path + ".2")
		}
		x.seen()
		x.check(os.RemoveAll(x.path + ".6.gz"))
	}
}
