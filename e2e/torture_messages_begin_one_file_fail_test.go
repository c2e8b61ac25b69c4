package e2e

import (
	"fmt"
	"time"
)

func tortureMessagesBeginOneFileFail(x *tortured) {
	x.start()
	for i := range x.many(150, 1000) {
		x.next++
		id := fmt.Sprintf("4A%06X", x.next)
		x.accept(id)
		x.check(x.rename(fmt.Sprintf("%s-%010d", x.path, i)).Close())
		x.create()
		x.bounce(id)
		if i%10 == 0 {
			time.Sleep(time.Duration(x.rand.IntN(30)) * time.Millisecond)
		}
	}
}
