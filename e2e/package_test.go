package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed makes a package of which only the list of files matters. Instead of the program it
// has an empty file, because compressing the program takes half a minute of a processor.
func listed(t *testing.T, format string) string {
	t.Helper()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	return packedFor(t, format, "1.2.3", empty, program(t))
}

// packed makes a .deb or .rpm of a program that is already built, as make does.
func packed(t *testing.T, format, version, bouncetail string) string {
	t.Helper()
	return packedFor(t, format, version, bouncetail, bouncetail)
}

// packedFor is packed with a program for another machine, and one for this machine that
// writes the manual pages.
func packedFor(t *testing.T, format, version, bouncetail, host string) string {
	t.Helper()
	nfpm, err := filepath.Abs("../.cache/nfpm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(nfpm); err != nil {
		t.Skipf("SKIPPED: nfpm is missing; run: make .cache/nfpm")
	}
	stage := filepath.Join(t.TempDir(), "stage")
	shell(t, nil, "..", "./scripts/package-stage", bouncetail, host, stage)
	to := t.TempDir()
	env := []string{"VERSION=" + version, "ARCH=amd64", "STAGE=" + stage, "MAINTAINER=Nobody <nobody@example.com>", "SOURCE_DATE_EPOCH=1795000000"}
	shell(t, env, "..", nfpm, "package", "--config", "packaging/nfpm.yaml", "--packager", format, "--target", to)
	made, err := filepath.Glob(filepath.Join(to, "*."+format))
	if err != nil || len(made) != 1 {
		t.Fatalf("nfpm made %q, want one .%s (%v)", made, format, err)
	}
	return made[0]
}

// shell runs a program in a directory and returns its output.
func shell(t *testing.T, env []string, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// inPackage lists files that both formats must contain.
var inPackage = []string{
	"/usr/bin/bouncetail",
	"/usr/lib/systemd/system/bouncetail.service",
	"/usr/lib/sysusers.d/bouncetail.conf",
	"/usr/lib/tmpfiles.d/bouncetail.conf",
	"/etc/bouncetail/config.yaml",
	"/etc/bouncetail/rules.d",
	"/usr/share/man/man8/bouncetail.8.gz",
	"/usr/share/man/man8/bouncetail-import.8.gz",
	"/usr/share/man/man5/bouncetail.yaml.5.gz",
	"/usr/share/bash-completion/completions/bouncetail",
	"/usr/share/fish/vendor_completions.d/bouncetail.fish",
	"/usr/share/doc/bouncetail/README.md",
	"/usr/share/doc/bouncetail/docs/database.md",
	"/usr/share/doc/bouncetail/examples/bouncetail-export.cron",
	"/usr/share/doc/bouncetail/examples/bouncetail-export.timer",
	"/usr/share/doc/bouncetail/examples/webhooks.conf",
	"/usr/share/doc/bouncetail/changelog.gz",
	"/usr/share/doc/bouncetail/copyright",
	"/usr/share/doc/bouncetail/third-party-licenses.gz",
}

func TestDebContents(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("SKIPPED: no dpkg-deb here")
	}
	deb := listed(t, "deb")
	cmd := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modes := make(map[string]int64)
	for r := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		modes["/"+strings.Trim(strings.TrimPrefix(h.Name, "."), "/")] = h.Mode
		if h.Mode&0o022 != 0 || h.Uid != 0 {
			t.Errorf("%s: mode %o, owner %d; only root may write files of a package", h.Name, h.Mode, h.Uid)
		}
	}
	for _, path := range append(inPackage, "/usr/share/zsh/vendor-completions/_bouncetail") {
		if _, ok := modes[path]; !ok {
			t.Errorf("the package lacks %s", path)
		}
	}
	if modes["/usr/bin/bouncetail"]&0o777 != 0o755 {
		t.Errorf("/usr/bin/bouncetail has mode %o", modes["/usr/bin/bouncetail"])
	}
	if got := shell(t, nil, ".", "dpkg-deb", "--info", deb, "conffiles"); got != "/etc/bouncetail/config.yaml\n" {
		t.Errorf("conffiles are %q, want only the settings", got)
	}
	if got := shell(t, nil, ".", "dpkg-deb", "--field", deb, "Version"); got != "1.2.3\n" {
		t.Errorf("the version is %q, want 1.2.3", got)
	}
}

func TestRPMContents(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("SKIPPED: no rpm here to list a package with")
	}
	rpm := listed(t, "rpm")
	names := strings.Split(shell(t, nil, ".", "rpm", "-qlp", rpm), "\n")
	for _, path := range append(inPackage, "/usr/share/zsh/site-functions/_bouncetail") {
		if !slices.Contains(names, path) {
			t.Errorf("the package lacks %s", path)
		}
	}
	// c: a configuration file; n: it is not replaced if it was changed.
	of := strings.Split(shell(t, nil, ".", "rpm", "-qp", "--qf", "[%{FILEFLAGS:fflags} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\\n]", rpm), "\n")
	if want := "cn -rw-r--r-- root:root /etc/bouncetail/config.yaml"; !slices.Contains(of, want) {
		t.Errorf("the package does not list %q", want)
	}
	for _, line := range of {
		if line != "" && (!strings.Contains(line, " root:root ") || strings.HasPrefix(line, "c") && !strings.Contains(line, "config.yaml")) {
			t.Errorf("%s; all files must belong to root, and only the settings may be configuration", line)
		}
	}
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("SKIPPED: no dpkg-deb here to compare with a .deb")
	}
	inDeb := filesIn(shell(t, nil, ".", "dpkg-deb", "--contents", listed(t, "deb")), 5)
	inRPM := filesIn(shell(t, nil, ".", "rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\\n]", rpm), 1)
	if !slices.Equal(inDeb, inRPM) || len(inDeb) < len(inPackage) {
		t.Errorf("the .deb has\n%s\nand the .rpm\n%s", strings.Join(inDeb, "\n"), strings.Join(inRPM, "\n"))
	}
}

// ofOneFormat lists the files that only one format has.
var ofOneFormat = []string{
	"/usr/share/zsh/vendor-completions/_bouncetail", "/usr/share/zsh/site-functions/_bouncetail", "/usr/share/lintian/overrides/bouncetail",
}

// filesIn returns the files of a listing with their modes, without those of one format.
// A line begins with the mode and has the path in a field.
func filesIn(listing string, field int) []string {
	var all []string
	for line := range strings.Lines(listing) {
		f := strings.Fields(line)
		path := strings.TrimPrefix(f[field], ".")
		if line[0] != 'd' && !slices.Contains(ofOneFormat, path) {
			all = append(all, path+" "+f[0])
		}
	}
	slices.Sort(all)
	return all
}

func TestPackageScriptsAreValid(t *testing.T) {
	scripts, err := filepath.Glob("../packaging/*/p*")
	if err != nil || len(scripts) < 6 {
		t.Fatalf("packaging has %d scripts, want three for each format (%v)", len(scripts), err)
	}
	for _, script := range scripts {
		shell(t, nil, ".", "sh", "-n", script)
	}
}

func TestCompletionsAreValid(t *testing.T) {
	for _, name := range []string{"bash", "zsh", "fish"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("SKIPPED: no %s here", name)
			continue
		}
		path := filepath.Join(t.TempDir(), "completion")
		if err := os.WriteFile(path, []byte(run(t, "completion", name)), 0o644); err != nil {
			t.Fatal(err)
		}
		shell(t, nil, ".", name, "-n", path)
	}
}
