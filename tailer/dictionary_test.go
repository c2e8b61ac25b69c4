package tailer

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// xzWith returns an archive with a dictionary of a size.
func xzWith(t *testing.T, text string, size int) []byte {
	t.Helper()
	return xzOf(t, text, xz.WriterConfig{DictCap: size})
}

func xzOf(t *testing.T, text string, c xz.WriterConfig) []byte {
	t.Helper()
	return packedBy(t, text, func(z io.Writer) (io.WriteCloser, error) { return c.NewWriter(z) })
}

// packedBy returns a text as a program for archives packs it.
func packedBy(t testing.TB, text string, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := open(&z)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

func TestTheMemoryOfAnArchiveIsBounded(t *testing.T) {
	text := numbered(100)
	// A frame with a window of 2 GB (RFC 8878, 3.1.1.1.2), and an empty last block.
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00}
	// What xz --lzma2=preset=1,dict=1536MiB writes first.
	dictionary := xzWith(t, text, 8<<20)
	dictionary[12+4] = 37 // the checksum of the header is not looked at before
	small := xzWith(t, text, 1<<20)
	padded := slices.Concat(small, make([]byte, 8))
	blocks := xzOf(t, text, xz.WriterConfig{DictCap: 1 << 20, BlockSize: 100, CheckSum: xz.SHA256})
	lastBlock := slices.Clone(blocks)
	lastBlock[bytes.LastIndex(blocks, []byte{0x21, 1, 16})+2] = 37 // filter LZMA2, one byte of properties
	frame := packedBy(t, text, func(z io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(z) })
	random := make([]byte, 300<<10) // in chunks that are not compressed
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	noise := xzWith(t, string(random), 1<<20)
	for _, c := range []struct {
		name string
		data []byte
		kind archive
		text string
		want error
	}{
		{"xz -9", xzWith(t, text, maxDictionary), xzip, text, nil},
		{"xz with a large dictionary", dictionary, xzip, text, errDictionary},
		{"xz in three streams, one of them without a block", slices.Concat(padded, xzWith(t, "", 1<<20), small), xzip, text + text, nil},
		{"xz of what cannot be compressed", noise, xzip, string(random), nil},
		{"xz in many blocks", blocks, xzip, text, nil},
		{"xz with a large dictionary in its second stream", slices.Concat(padded, dictionary), xzip, text, errDictionary},
		{"xz with a large dictionary in its last block", lastBlock, xzip, text, errDictionary},
		{"zstd --long=31", window, zst, text, zstd.ErrWindowSizeExceeded},
		{"zstd with a large window in its second frame", slices.Concat(frame, window), zst, text, zstd.ErrWindowSizeExceeded},
	} {
		r, end, err := decompress(bytes.NewReader(c.data), c.kind)
		if err == nil {
			var got []byte
			if got, err = io.ReadAll(r); c.want == nil && string(got) != c.text {
				t.Errorf("%s: read %d bytes, want %d", c.name, len(got), len(c.text))
			}
			end()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestADictionaryIsAsTheFormatSays(t *testing.T) {
	for bits, want := range map[byte]uint64{0: 4 << 10, 1: 6 << 10, 22: 8 << 20, 28: 64 << 20, 37: 1536 << 20} {
		if got := dictionary(bits); got != want {
			t.Errorf("dictionary(%d) = %d, want %d", bits, got, want)
		}
	}
}
