package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

func tortureVACUUMINTOBackupMeanwhile(x *tortured) {
	x.start()
	x.bounces(20)
	x.seen()
	for i := range 5 {
		x.bounces(50)
		copied := filepath.Join(x.t.TempDir(), fmt.Sprint("copy", i))
		out, err := exec.Command("sqlite3", x.db, ".timeout 10000", "VACUUM INTO '"+copied+"'", ".backup '"+copied+".2'").CombinedOutput()
		if err != nil {
			x.t.Errorf("sqlite3: %v: %s", err, out)
		}
	}
}
