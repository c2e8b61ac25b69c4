package bounce

import (
	"io"
	"time"
)

// Position is how far one stream of content has been read. A stream is what a
// file holds, not the file: it keeps its position when the file is renamed,
// copied or compressed. A position is saved in the transaction that saves
// what was read before it.
type Position struct {
	// Stream identifies the position among all that are stored; whoever finds
	// a new stream gives it the next free number, from 1.
	Stream int64
	// Source is the setting that the stream belongs to (a path, a glob, or
	// "journal"), and Path the name under which it was last seen. Neither is
	// ever used to recognise content.
	Source string
	Path   string
	// Device and Inode are of the file that last held the stream. Inodes are
	// reused, so they count only together with Head.
	Device uint64
	Inode  uint64
	// Offset counts the bytes read, decompressed ones where the file is an
	// archive.
	Offset int64
	// Head is a hash of the first min(Offset, 1024) bytes of the stream, and
	// Tail of the last min(Offset, 1024) before Offset.
	Head uint64
	Tail uint64
	// Cursor is the journal's own position, and empty for files.
	Cursor string
	// Closed is set when nothing more can come: the stream is kept only so
	// that copies of it are recognised.
	Closed bool
	// UpdatedAt is when the stream was last found to have grown.
	UpdatedAt time.Time
	// Gone asks that nothing be kept under Stream: a stored row is deleted, and
	// this one is not written. The tailer sets it on positions that no file can
	// match any more, and on those inside an import that is not yet complete.
	Gone bool
}

// ParserState is what the parser of a stream needs to go on at its position. It
// is opaque to everything but the parser.
type ParserState struct {
	// Anchor is a time near the first stamp of the stream, for stamps that have
	// no year. It is zero if no parser has read the stream yet.
	Anchor time.Time
	// Data is what the parser remembers between lines: the year and fragments of
	// lines.
	Data []byte
}

// StreamState is what is stored of a stream: where reading goes on, and with
// what parsing goes on there. The tailer owns the position, the pipeline the
// state of the parser.
type StreamState struct {
	Position
	Parser ParserState
}

// LogFile describes the file in which a stream was found.
type LogFile struct {
	Size     int64     // compressed; 0 if it is not known
	Modified time.Time // of the file, or when it was opened if it is not a regular file
	// Open opens the file once more and returns its content, decompressed. It
	// fails if another file has taken the name. It is nil if the file can be read
	// only once.
	Open func() (io.ReadCloser, error)
}

// Gap is a stretch of log that was destroyed before it could be read.
type Gap struct {
	At     time.Time // when the loss was noticed
	Source string
	Path   string
	Bytes  int64 // -1 where nobody can know
	Why    string
}

// Chunk is a run of whole lines out of one stream.
type Chunk struct {
	// Data holds whole lines, each with its newline. It is empty if only the
	// position or the gaps have changed.
	Data string
	// Position is where reading goes on after Data.
	Position Position
	// File is set on the first chunk of a new stream of a file.
	File *LogFile
	// SourceIndex is the place of the source in the list of settings.
	SourceIndex int
	// TooLong counts the lines before Position that were left out because they
	// were longer than the limit.
	TooLong int
	Gaps    []Gap
	// More tells that the lines behind Data have been written already and come
	// next: a backlog is being read.
	More bool
}

// QueueEntry is what the MTA has said so far of one message in its queue, in
// the form in which it is stored.
type QueueEntry struct {
	Host    string
	MTA     MTA
	QueueID string
	// SeenAt is the time of the last line about the message; entries whose
	// end was never logged are dropped by age.
	SeenAt time.Time
	// Data is opaque to everyone but package queue; nil deletes the entry.
	Data []byte
}

// Batch is a part of what one transaction saves, and often all of it.
type Batch struct {
	Records   Records
	Successes []Success
	Domains   []string // that the successes name
	Queue     []QueueEntry
	Positions []StreamState
	Gaps      []Gap
	Unparsed  []Unparsed
}

// Unparsed counts delivery lines of one shape that no parser could read: they
// announce a new version of an MTA.
type Unparsed struct {
	MTA     MTA
	Shape   string // the line with what varies taken out
	Count   int
	Example string // one such line, cleaned
	// Refused means that the lines were parsed, but are journal entries that no mail
	// server wrote. It is not stored; Shape says so too.
	Refused bool
}
