package tailer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"

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

// checkDictionary returns an error if an archive of xz needs too large a dictionary. It
// looks at the header of the first block only (section 3.1 of The .xz File Format): xz
// writes all blocks alike. What is broken in it is reported by the decoder.
func checkDictionary(r *bufio.Reader) error {
	const streamHeader, sizes, lzma2 = 12, 0xc0, 0x21
	head, _ := r.Peek(streamHeader + 1)
	if len(head) <= streamHeader || head[streamHeader] == 0 { // without a block
		return nil
	}
	head, _ = r.Peek(streamHeader + 4*(int(head[streamHeader])+1))
	if len(head) < streamHeader+2 {
		return nil
	}
	flags, rest := head[streamHeader+1], head[streamHeader+2:]
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
			return nil
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
