package text

import "testing"

func TestOwnReturnsTheBytes(t *testing.T) {
	for _, want := range []string{"", "a", "line\nline\n"} {
		buf := Buffer(len(want) + 3)
		n := copy(buf, want)
		if got := Own(buf[:n]); got != want {
			t.Errorf("Own of %q = %q", want, got)
		}
	}
	if got := Own(nil); got != "" {
		t.Errorf("Own(nil) = %q", got)
	}
}

func TestBuffersAreApart(t *testing.T) {
	one, other := Buffer(100), Buffer(100)
	for i := range one {
		one[i], other[i] = 'a', 'b'
	}
	if kept := Own(one); kept[0] != 'a' || kept[99] != 'a' || len(kept) != 100 || cap(one) < 100 {
		t.Errorf("a buffer of 100 bytes holds %q", kept)
	}
}
