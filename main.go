// Bouncetail follows the logs of mail servers and keeps, in one SQLite file,
// what became of every recipient that could not be reached.
package main

import (
	"os"

	"github.com/bouncetail/bouncetail/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
