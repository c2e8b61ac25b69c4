// Read GOMAXPROCS once. Checking it every second is a measurable part of the
// processor time of an idle daemon.
//go:debug updatemaxprocs=0

// Bouncetail follows the logs of mail servers and stores each failed delivery, and
// the state of each recipient, in one SQLite file.
package main

import (
	_ "embed"
	"io"
	"log"
	"os"
	_ "time/tzdata" // for containers and small systems, which have no zone files

	"github.com/bouncetail/bouncetail/cli"
	"github.com/bouncetail/bouncetail/internal/earlystop"
	"github.com/bouncetail/bouncetail/internal/stdout"
)

//go:embed config.example.yaml
var example string

func main() {
	cli.Example = example
	// net/http reports odd answers of servers here, with their text, which would go
	// around the level and the format of our own log. The error of a request says enough.
	log.SetOutput(io.Discard)
	ctx, stop := earlystop.Context()
	code := cli.Run(ctx, os.Args[1:], os.Stdin, stdout.Writer(), os.Stderr)
	stop()
	os.Exit(code)
}
