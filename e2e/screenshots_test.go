package e2e

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-rod/rod/lib/proto"
)

var update = flag.Bool("update", false, "write the screenshots in docs/images again")

// TestScreenshots writes docs/images with -update. With BOUNCETAIL_TEST_SCREENSHOTS, it
// writes every page in every look to that directory, as a whole.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("BOUNCETAIL_TEST_SCREENSHOTS")
	if !*update && dir == "" {
		t.Skip("SKIPPED: go test ./e2e -run Screenshots -update makes the screenshots of the documentation")
	}
	b, s := browseShop(t)
	address, incident := "", ""
	for _, p := range s.pages {
		switch {
		case strings.HasPrefix(p, "recipient?") && !strings.Contains(p, "hostile"):
			address = p
		case strings.HasPrefix(p, "incidents/"):
			incident = p
		}
	}
	take := func(page string, l look, whole bool, path string) {
		w := open(t, b, s.site)
		w.see(l)
		w.must(proto.EmulationSetScrollbarsHidden{Hidden: true}.Call(w))
		w.visit(s.site + "/" + page)
		shot, err := w.Screenshot(whole, &proto.PageCaptureScreenshot{})
		w.must(err)
		w.must(os.WriteFile(path, smaller(t, shot), 0o644))
		w.must(w.Close())
	}
	if dir != "" {
		for _, p := range s.pages {
			for _, l := range looks {
				take(p, l, true, filepath.Join(dir, strings.NewReplacer("?", "-", "/", "-", "=", "-", "@", "-", "&", "-").Replace(p)+"-"+strings.ReplaceAll(l.name, ", ", "-")+".png"))
			}
		}
		return
	}
	for _, shot := range []struct {
		name, page string
		look       look
	}{
		{"overview", "", looks[0]},
		{"overview-dark", "", looks[1]},
		{"provider", "providers/google", looks[0]},
		{"recipient", address, looks[0]},
		{"incident", incident, looks[0]},
		{"phone", "", looks[2]},
	} {
		take(shot.page, shot.look, false, filepath.Join("..", "docs", "images", shot.name+".png"))
	}
}

// smaller returns a PNG with at most 256 colours, the most frequent ones.
func smaller(t *testing.T, shot []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[color.RGBA]int)
	each := func(do func(x, y int, c color.RGBA)) {
		for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
			for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
				c, _ := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
				do(x, y, c)
			}
		}
	}
	each(func(_, _ int, c color.RGBA) { count[c]++ })
	var palette color.Palette
	for _, c := range slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return count[b] - count[a] }) {
		if len(palette) < 256 {
			palette = append(palette, c)
		}
	}
	nearest := make(map[color.RGBA]uint8)
	for c := range count {
		nearest[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(img.Bounds(), palette)
	each(func(x, y int, c color.RGBA) { small.SetColorIndex(x, y, nearest[c]) })
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
