package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMapsOfAFleetNeedAFleet(t *testing.T) {
	for text, want := range map[string]string{
		"publish: {from: fleet, directory: /maps}":                                "publish.from: there is no fleet",
		"publish: {from: everywhere, directory: /maps}":                           `publish.from: "everywhere" is neither local nor fleet`,
		"publish: {from: fleet, directory: /maps}\nfleet: {dsn: host=db.example}": "",
		"publish: {from: local, directory: /maps}":                                "",
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
