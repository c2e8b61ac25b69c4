package report

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

func TestALongUnparsedLineIsPrintedInPart(t *testing.T) {
	for _, filler := range []string{"x", "漢", "\x1b", "\U000E0001"} {
		var out strings.Builder
		line := "postfix: to=<jane@example.com>, " + strings.Repeat(filler, 30_000)
		if err := PrintCounts(&table.Screen{Out: &out}, []query.Count{{Name: line, N: 3}}); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimRight(out.String(), "\n")
		if n := text.Columns(got); n > 220 || !strings.HasSuffix(got, "…") || !strings.Contains(got, "jane@example.com") {
			t.Errorf("a line of %d bytes is printed in %d columns, want its start and an ellipsis: %.300s", len(line), n, got)
		}
	}
}
