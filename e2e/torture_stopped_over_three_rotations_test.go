package e2e

import "syscall"

func tortureStoppedOverThreeRotations(x *tortured) {
	x.start()
	x.bounces(50)
	x.seen()
	x.check(x.d.cmd.Process.Signal(syscall.SIGSTOP))
	for range 3 {
		x.bounces(50)
		x.rotate()
	}
	x.check(x.d.cmd.Process.Signal(syscall.SIGCONT))
	x.bounces(10)
}
