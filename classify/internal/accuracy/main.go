// Accuracy measures the classifier on a file of labelled replies: tab-separated
// with a header that names at least category, permanent_address_failure and
// reply. A category may be several with | between them, any of which is right.
// It prints what disagrees, and then the shares.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
)

func main() {
	verbose := flag.Bool("v", false, "print each reply that disagrees")
	flag.Parse()
	if err := run(flag.Arg(0), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run(path string, verbose bool) error {
	c, err := classify.New("")
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	names := strings.Split(lines.Text(), "\t")
	column := func(fields []string, name string) string {
		if i := slices.Index(names, name); i >= 0 && i < len(fields) {
			return fields[i]
		}
		return ""
	}
	stages := map[string]bounce.Stage{"RCPT": bounce.StageRcptTo, "DATA": bounce.StageEndOfData, "MAIL": bounce.StageMailFrom, "HELO": bounce.StageEHLO, "EHLO": bounce.StageEHLO, "CONN": bounce.StageGreeting}
	var n, right, bad, caught, good, wrongly, unclassified int
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		reply := column(fields, "reply")
		d := classify.Delivery(reply)
		d.Outcome = bounce.Bounced // the labels are of what the words say
		d.Reply.Stage = stages[column(fields, "stage")]
		v := c.Verdict(&d)
		n++
		agrees := slices.Contains(strings.Split(column(fields, "category"), "|"), string(v.Category))
		if agrees {
			right++
		}
		if v.Category == bounce.Unclassified {
			unclassified++
		}
		label := column(fields, "permanent_address_failure")
		switch {
		case label == "1":
			if bad++; v.Suppress {
				caught++
			}
		case label == "0":
			if good++; v.Suppress {
				wrongly++
			}
		}
		if verbose && (!agrees || label == "0" && v.Suppress || label == "1" && !v.Suppress) {
			fmt.Printf("%s/%s want %s/%s by %s: %.220s\n", v.Category, map[bool]string{true: "1", false: "0"}[v.Suppress], column(fields, "category"), label, v.Rule, reply)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	share := func(a, b int) string {
		return fmt.Sprintf("%d of %d (%.1f %%)", a, b, 100*float64(a)/float64(max(b, 1)))
	}
	fmt.Println("category agrees:           ", share(right, n))
	fmt.Println("bad addresses suppressed:  ", share(caught, bad))
	fmt.Println("good addresses suppressed: ", share(wrongly, good))
	fmt.Println("unclassified:              ", share(unclassified, n))
	return nil
}
