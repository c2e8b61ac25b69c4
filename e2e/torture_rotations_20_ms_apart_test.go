package e2e

import (
	"fmt"
	"time"
)

func tortureRotations20MsApart(x *tortured) {
	x.start()
	for i := range x.many(25, 200) {
		x.bounces(5)
		to := fmt.Sprintf("%s-%010d", x.path, i)
		x.check(x.rename(to).Close())
		x.create()
		time.Sleep(20 * time.Millisecond)
	}
	x.bounces(1)
}
