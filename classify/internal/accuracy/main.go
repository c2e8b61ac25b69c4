// Accuracy measures the classifier on a file of labelled replies: tab-separated
// with a header that names at least category and reply, and may name suppress
// (or permanent_address_failure) and stage. A category may be several with |
// between them, any of which is right; suppress is 1, 0 or ?.
//
// It prints what disagrees (-v), the confusion of categories, and the shares.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/classify/internal/labelled"
)

func main() {
	verbose := flag.Bool("v", false, "print each reply that disagrees")
	rules := flag.String("rules", "", "directory with rules of your own")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: accuracy [-v] [-rules DIR] FILE")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *rules, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run(path, rules string, verbose bool) error {
	c, err := classify.New(rules)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	replies, err := labelled.Read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	result := labelled.Measure(c, replies)
	if verbose {
		for _, d := range result.Disagreements {
			fmt.Println(d)
		}
	}
	fmt.Print(result.Confusion())
	fmt.Print(result.Shares())
	return nil
}
