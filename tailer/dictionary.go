package tailer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
)

// An archive says how much memory its content needs to be unpacked: the window of zstd,
// the dictionary of xz. A file of a few bytes may ask for gigabytes.

const (
	maxWindow     = 128 << 20 // that of zstd --ultra -22
	maxDictionary = 64 << 20  // that of xz -9; our decoder allocates all of it
)

// errDictionary is returned for an archive of xz that needs more.
var errDictionary = errors.New("the dictionary is too large")

// errFormat is returned for what no archive of xz holds.
var errFormat = errors.New("not as the format xz says")

// isTooLarge reports whether an archive cannot be read for the memory that it needs.
func isTooLarge(err error) bool {
	return errors.Is(err, errDictionary) || errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded)
}

// unreadable adds to the error of an archive what to do.
func unreadable(err error) error {
	if isTooLarge(err) {
		return fmt.Errorf("%w: it was packed with more memory than zstd -22 or xz -9 use; unpack it with the program that packed it, and read the result", err)
	}
	return fmt.Errorf("%w; the archive is damaged or truncated: lines before the damage were imported; restore the file and import it again", err)
}

// boundedXZ passes an archive of xz on to its decoder, up to the header of a block that
// needs too large a dictionary: the decoder has no limit for it, and an archive may hold
// many streams of many blocks. It follows the structure of the file (The .xz File Format,
// sections 2 to 4) and the headers of the chunks of LZMA2, and decompresses nothing. What
// is cut short is reported by the decoder.
type boundedXZ struct {
	r       *bufio.Reader
	next    func() error // looks at what follows, and sets pass
	pass    int64        // bytes to pass on before next is called
	check   int64        // size of the checksum of a block
	packed  int64        // size of the chunks of a block so far
	index   int64        // size of the index so far
	numbers uint64       // that follow in the index
}

func newBoundedXZ(r *bufio.Reader) *boundedXZ {
	z := &boundedXZ{r: r}
	z.next = z.stream
	return z
}

// Read implements io.Reader.
func (z *boundedXZ) Read(p []byte) (int, error) {
	for z.pass == 0 {
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	n, err := z.r.Read(p[:min(int64(len(p)), z.pass)])
	z.pass -= int64(n)
	return n, err
}

// peek returns the bytes that follow. If the file ends before, it has the rest passed on
// and returns false.
func (z *boundedXZ) peek(n int) ([]byte, bool) {
	b, err := z.r.Peek(n)
	if err != nil {
		z.pass = math.MaxInt64
	}
	return b, err == nil
}

// stream looks at the header of a stream, or at padding.
func (z *boundedXZ) stream() error {
	head, whole := z.peek(4)
	if z.pass = 4; whole && binary.LittleEndian.Uint32(head) == 0 {
		return nil
	}
	if head, whole = z.peek(12); !whole {
		return nil
	}
	z.pass, z.next = 12, z.block
	z.check = []int64{0, 4, 8, 16, 32, 64}[(head[7]&0xf+2)/3]
	return nil
}

// block looks at the header of a block, or at the beginning of the index.
func (z *boundedXZ) block() error {
	head, whole := z.peek(1)
	if !whole {
		return nil
	}
	if head[0] == 0 {
		z.pass, z.index, z.numbers, z.next = 1, 1, 0, z.indexSize
		return nil
	}
	if head, whole = z.peek(4 * (int(head[0]) + 1)); !whole {
		return nil
	}
	if err := checkDictionary(head); err != nil {
		return err
	}
	z.pass, z.packed, z.next = int64(len(head)), 0, z.chunk
	return nil
}

// chunk looks at the header of a chunk, or at the end of a block.
func (z *boundedXZ) chunk() error {
	head, whole := z.peek(1)
	if !whole {
		return nil
	}
	control := head[0]
	size := 1 // of the header
	switch {
	case control >= 0xc0: // new properties
		size = 6
	case control >= 0x80:
		size = 5
	case control > 2:
		return errFormat
	case control > 0: // not compressed
		size = 3
	}
	if head, whole = z.peek(size); !whole {
		return nil
	}
	z.pass = int64(size)
	switch {
	case control >= 0x80:
		z.pass += int64(binary.BigEndian.Uint16(head[3:])) + 1
	case control > 0:
		z.pass += int64(binary.BigEndian.Uint16(head[1:])) + 1
	}
	z.packed += z.pass
	if control == 0 {
		z.pass += padding(z.packed) + z.check
		z.next = z.block
	}
	return nil
}

// indexSize looks at the number of records of the index, of two numbers each.
func (z *boundedXZ) indexSize() error {
	count, err := z.number()
	z.numbers, z.next = 2*count, z.indexNumber
	return err
}

// indexNumber looks at a number in the index, or at what ends the stream.
func (z *boundedXZ) indexNumber() error {
	if z.numbers > 0 {
		z.numbers--
		_, err := z.number()
		return err
	}
	const checksum, footer = 4, 12
	z.pass, z.next = padding(z.index)+checksum+footer, z.stream
	return nil
}

// number has a number passed on, and returns it.
func (z *boundedXZ) number() (uint64, error) {
	head, _ := z.r.Peek(9)
	v, n := binary.Uvarint(head)
	if z.pass = int64(n); n > 0 {
		z.index += int64(n)
		return v, nil
	}
	if len(head) == 9 {
		return 0, errFormat
	}
	z.pass = math.MaxInt64 // it is cut short
	return 0, nil
}

// padding returns how many bytes follow until a multiple of four.
func padding(size int64) int64 { return -size & 3 }

// checkDictionary returns an error if the header of a block says that it needs too large a
// dictionary (section 3.1).
func checkDictionary(head []byte) error {
	const sizes, lzma2 = 0xc0, 0x21
	flags, rest := head[1], head[2:]
	next := func() uint64 {
		v, n := binary.Uvarint(rest)
		rest = rest[max(n, 0):]
		return v
	}
	for bit := byte(0x40); bit&sizes != 0; bit <<= 1 { // compressed, uncompressed
		if flags&bit != 0 {
			next()
		}
	}
	for range int(flags&3) + 1 {
		filter, length := next(), next()
		if length > uint64(len(rest)) {
			return errFormat
		}
		if filter == lzma2 && length == 1 && dictionary(rest[0]) > maxDictionary {
			return errDictionary
		}
		rest = rest[length:]
	}
	return nil
}

// dictionary returns the size in bytes that a property of LZMA2 stands for (section 5.3.1).
func dictionary(bits byte) uint64 { return (2 | uint64(bits)&1) << (bits/2 + 11) }
