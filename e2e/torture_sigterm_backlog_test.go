package e2e

import "time"

func tortureSIGTERMBacklog(x *tortured) {
	x.bounces(x.many(5_000, 30_000))
	x.start()
	for !exists(x.db) {
		time.Sleep(5 * time.Millisecond) // until it has started
	}
	begin := time.Now()
	x.d.stop()
	if took := time.Since(begin); took > 20*time.Second { // milliseconds on an idle machine
		x.t.Errorf("it took %s to stop", took)
	}
	x.start()
}
