// Crowds writes the logs of a scenario in which many addresses are refused
// together: one file per day, and the expected state of each address in truth.tsv.
// See internal/crowdgen.
//
//	go run ./bench/crowds -scenario provider-outage -dir /tmp/outage
//	go run ./bench/crowds -list
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/crowdgen"
)

func main() {
	scenario := flag.String("scenario", "provider-outage", "which scenario")
	dir := flag.String("dir", ".", "the directory for the files")
	seed := flag.Uint64("seed", 1, "the same seed gives the same logs")
	list := flag.Bool("list", false, "list the scenarios")
	flag.Parse()
	if *list {
		for _, s := range crowdgen.Scenarios {
			fmt.Printf("%-20s %s\n", s.Name, s.About)
		}
		return
	}
	if err := write(*scenario, *dir, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "crowds:", err)
		os.Exit(1)
	}
}

func write(scenario, dir string, seed uint64) error {
	s, found := crowdgen.Find(scenario)
	if !found {
		return fmt.Errorf("there is no scenario %q; -list names them", scenario)
	}
	l := s.Generate(seed)
	for i, day := range l.Days() {
		f, err := os.Create(filepath.Join(dir, "mail-"+day[0].At.Format(time.DateOnly)+".log"))
		if err != nil {
			return err
		}
		if err := errors.Join(crowdgen.WritePostfix(f, fmt.Sprintf("%03X", i), day), f.Close()); err != nil {
			return err
		}
	}
	var truth strings.Builder
	for _, a := range slices.Sorted(maps.Keys(l.Truth)) {
		fmt.Fprintf(&truth, "%s\t%s\n", a, l.Truth[a])
	}
	return os.WriteFile(filepath.Join(dir, "truth.tsv"), []byte(truth.String()), 0o644)
}
