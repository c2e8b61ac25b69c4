package cli

import (
	"bytes"
	"os"
	"testing"
)

func TestProf(t *testing.T) {
	os.Remove("/tmp/s.db")
	var out bytes.Buffer
	Main([]string{"import", "--db", "/tmp/s.db", "/tmp/p200.log"}, nil, &out, os.Stderr)
	t.Log(out.String()[:200])
}
