package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bouncetail/bouncetail/config"
)

// There is no container engine to run the compose file with. What it passes to
// bouncetail is valid, and both containers see the log in the same place.
func TestComposeFileCallsBouncetailCorrectly(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Build struct {
				Context          string
				DockerfileInline string `yaml:"dockerfile_inline"`
			}
			Command     []string
			Environment map[string]string
			Volumes     []string
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "docs/examples/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	ours, postfix := compose.Services["bouncetail"], compose.Services["postfix"]
	if len(ours.Command) != 2 || ours.Command[0] != "run" {
		t.Fatalf("the command is %q, want run and a log", ours.Command)
	}
	if _, err := os.Stat(filepath.Join("../docs/examples", ours.Build.Context, "Dockerfile")); err != nil {
		t.Errorf("bouncetail is built from %s: %v", ours.Build.Context, err)
	}
	for name, value := range ours.Environment {
		t.Setenv(name, value)
	}
	c, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(ours.Volumes, "data:"+filepath.Dir(c.Database)) {
		t.Errorf("the database %s is not in a volume of %q", c.Database, ours.Volumes)
	}
	log := ours.Command[1]
	if !strings.Contains(postfix.Build.DockerfileInline, "maillog_file="+log+"\n") {
		t.Errorf("Postfix does not log to %s:\n%s", log, postfix.Build.DockerfileInline)
	}
	if !slices.Contains(postfix.Volumes, "log:"+filepath.Dir(log)) || !slices.Contains(ours.Volumes, "log:"+filepath.Dir(log)+":ro") {
		t.Errorf("the containers do not share %s: %q and %q", filepath.Dir(log), postfix.Volumes, ours.Volumes)
	}
	if ours.Environment["TZ"] != postfix.Environment["TZ"] {
		t.Errorf("the time zones are %s and %s", ours.Environment["TZ"], postfix.Environment["TZ"])
	}
}
