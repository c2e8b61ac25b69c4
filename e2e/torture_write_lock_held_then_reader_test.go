package e2e

import "os/exec"

func tortureWriteLockHeldThenReader(x *tortured) {
	x.bounces(10)
	x.start()
	x.seen()
	other := exec.Command("sqlite3", x.db, ".timeout 10000", "BEGIN IMMEDIATE; SELECT count(*) FROM bounces;", ".shell sleep 4", "COMMIT;")
	x.check(other.Start())
	x.bounces(50)
	x.check(other.Wait())
	reader := exec.Command("sqlite3", x.db, "BEGIN; SELECT count(*) FROM bounces;", ".shell sleep 1", "COMMIT;")
	x.check(reader.Start())
	x.bounces(50)
	x.seen() // a reader does not block
	x.check(reader.Wait())
}
