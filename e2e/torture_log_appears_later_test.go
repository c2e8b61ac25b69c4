package e2e

import (
	"os"
	"time"
)

func tortureLogAppearsLater(x *tortured) {
	x.check(os.Remove(x.path))
	x.start()
	time.Sleep(300 * time.Millisecond) // it finds nothing
	x.create()
	x.bounces(100)
}
