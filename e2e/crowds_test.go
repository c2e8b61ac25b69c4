package e2e

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/crowdgen"
)

// crowdTables returns the states and crowds of a database, without numbers that depend
// on the order of import.
func crowdTables(t *testing.T, path string) (states map[string]string, crowds []string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := func(query string) (rows []string) {
		found, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer found.Close()
		for found.Next() {
			var row string
			if err := found.Scan(&row); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	states = make(map[string]string)
	for _, row := range all("SELECT recipient || ' ' || state || ' ' || decided_by || ' ' || coalesce(bad_since, '') FROM recipients") {
		address, rest, _ := strings.Cut(row, " ")
		states[address] = rest
	}
	return states, all(`SELECT kind || ' ' || unit || ' ' || started_at || ' ' || ended_at || ' ' || addresses || ' ' || refused || ' ' || attempts || ' ' || coalesce(domains, '')
		FROM crowds ORDER BY kind, unit, started_at`)
}

// The logs of each scenario are imported in several orders: by day, and with separate
// files for two servers. BOUNCETAIL_TEST_EVENTS is the largest number of events in a
// scenario. Package sqlite stores all scenarios in any order.
func TestCrowdsDoNotDependOnTheOrderOfImport(t *testing.T) {
	t.Parallel()
	most := numberIn(t, "BOUNCETAIL_TEST_EVENTS", 100)
	for _, scenario := range crowdgen.Scenarios {
		l := scenario.Generate(11)
		if len(l.Events) > most {
			continue
		}
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(3, 4))
			days, servers := l.Days(), make([][]crowdgen.Event, 2)
			for _, e := range l.Events {
				n := r.IntN(2)
				servers[n] = append(servers[n], e)
			}
			files := func(prefix string, parts [][]crowdgen.Event) (paths []string) {
				for i, events := range parts {
					path := filepath.Join(t.TempDir(), fmt.Sprintf("%s%d.log", prefix, i))
					f, err := os.Create(path)
					if err != nil {
						t.Fatal(err)
					}
					if err := crowdgen.WritePostfix(f, fmt.Sprintf("%s%02X", prefix, i), events); err != nil {
						t.Fatal(err)
					}
					if err := f.Close(); err != nil {
						t.Fatal(err)
					}
					paths = append(paths, path)
				}
				return paths
			}
			importAll := func(calls ...[]string) (map[string]string, []string) {
				db := filepath.Join(t.TempDir(), "b.db")
				for _, paths := range calls {
					run(t, append([]string{"import", "--db", db, "--timezone", "UTC"}, paths...)...)
				}
				if got := run(t, "recipients", "rebuild", "--db", db); !strings.HasPrefix(got, "0 rows") {
					t.Errorf("rebuild: %s", got)
				}
				return crowdTables(t, db)
			}
			byDay := files("A", days)
			states, crowds := importAll(byDay)
			for address, want := range l.Truth {
				got, _, _ := strings.Cut(states[address], " ")
				if ok := got == string(want) || want == crowdgen.NotBad && got != "bad"; !ok {
					t.Errorf("%s is %q, want %s; crowds:\n%s", address, states[address], want, strings.Join(crowds, "\n"))
					break
				}
			}
			shuffled := slices.Clone(byDay)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			var single [][]string
			for _, path := range shuffled {
				single = append(single, []string{path})
			}
			slices.Reverse(servers)
			for name, calls := range map[string][][]string{
				"days in any order, a call each": single,
				"one server after the other":     {files("B", servers)},
			} {
				otherStates, otherCrowds := importAll(calls...)
				if !slices.Equal(otherCrowds, crowds) {
					t.Errorf("%s: crowds\n%s\nwant\n%s", name, strings.Join(otherCrowds, "\n"), strings.Join(crowds, "\n"))
				}
				for address, state := range states {
					if otherStates[address] != state {
						t.Errorf("%s: %s is %q, want %q", name, address, otherStates[address], state)
						break
					}
				}
			}
		})
	}
}
