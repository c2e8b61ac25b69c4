// How many processors may be used is found out once, at the start: to look
// every second whether that has changed is a part of what an idle daemon costs.
//go:debug updatemaxprocs=0

// Bouncetail follows the logs of mail servers and keeps, in one SQLite file,
// what became of every recipient that could not be reached.
package main

import (
	"os"

	"github.com/bouncetail/bouncetail/cli"
	"github.com/bouncetail/bouncetail/internal/earlystop"
)

func main() {
	ctx, stop := earlystop.Context()
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
