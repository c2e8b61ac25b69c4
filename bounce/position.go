package bounce

import (
	"io"
	"time"
)

// Position is how far a stream has been read. A stream is the content of a file,
// not the file: it keeps its position when the file is renamed, copied or
// compressed. A position is saved in the same transaction as the lines before it.
type Position struct {
	// Stream is the number of the stream. The code that finds a new stream gives it
	// the next free number, starting at 1.
	Stream int64
	// Source is the setting that the stream belongs to (a path, a glob, or
	// "journal"). Path is the last known path of its file. Content is never
	// recognised by either.
	Source string
	Path   string
	// Device and Inode identify the file that last held the stream. Inodes are
	// reused, so Head is compared too.
	Device uint64
	Inode  uint64
	// Offset is the number of bytes read, after decompression if the file is an
	// archive.
	Offset int64
	// Head is a hash of the first min(Offset, 1024) bytes of the stream, and
	// Tail of the last min(Offset, 1024) before Offset.
	Head uint64
	Tail uint64
	// Cursor is the position in the journal; it is empty for files.
	Cursor string
	// Closed means that the stream is complete. It is kept only so that copies of it
	// are recognised.
	Closed bool
	// UpdatedAt is when the stream last grew.
	UpdatedAt time.Time
	// Gone means that the row of Stream is to be deleted and not written. The tailer
	// sets it on positions that no file can match any more, and on those within an
	// import that is not complete.
	Gone bool
}

// ParserState is what the parser needs to continue at the position of a stream.
// Only the parser interprets it.
type ParserState struct {
	// Anchor is a time near the first stamp of the stream, for stamps that have
	// no year. It is zero if no parser has read the stream yet.
	Anchor time.Time
	// Data is the parser's state between lines: the year and fragments of lines.
	Data []byte
}

// StreamState is the stored state of a stream. The tailer owns the position, the
// pipeline the state of the parser.
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

// Gap is a part of a log that was destroyed before it was read.
type Gap struct {
	At     time.Time // when the loss was noticed
	Source string
	Path   string
	Bytes  int64 // -1 if unknown
	Why    string
}

// Chunk is a sequence of whole lines of one stream.
type Chunk struct {
	// Data holds whole lines, each with its newline. It is empty if only the
	// position or the gaps have changed.
	Data string
	// Release gives the memory of Data back to the source, which fills it again. It is
	// called once no part of Data is needed. It is nil if that memory is not used again.
	Release func()
	// Position is the position after Data.
	Position Position
	// File is set on the first chunk of a new stream of a file.
	File *LogFile
	// SourceIndex is the index of the source in the settings.
	SourceIndex int
	// TooLong is the number of lines before Position that were skipped because they
	// exceed the length limit.
	TooLong int
	Gaps    []Gap
	// More means that more lines after Data are already available: a backlog is being
	// read.
	More bool
}

// QueueEntry is what the MTA has logged so far about a message in its queue, as it
// is stored.
type QueueEntry struct {
	Host    string
	MTA     MTA
	QueueID string
	// SeenAt is the time of the last line about the message. Entries of messages
	// whose end was never logged are dropped by age.
	SeenAt time.Time
	// Data is interpreted only by package queue; nil deletes the entry.
	Data []byte
}

// Batch is a part of what one transaction saves. Most transactions save one batch.
type Batch struct {
	Records   Records
	Successes []Success
	Domains   []string // of the successes
	Providers []string // of the successes
	Queue     []QueueEntry
	Positions []StreamState
	Gaps      []Gap
	Unparsed  []Unparsed
	Read      []Reading
}

// Reading counts what was read of a source.
type Reading struct {
	// Source is the setting. All files of an import are one source.
	Source string
	Lines  int64
	Bytes  int64
}

// ImportSource is the Source of what an import read.
const ImportSource = "import"

// Unparsed counts delivery lines of one shape that could not be parsed. They often
// come with a new version of an MTA.
type Unparsed struct {
	MTA     MTA
	Shape   string    // the line with its variable parts replaced
	Lines   []EventID // of each line, by which it is counted once
	Example string    // one such line, without control characters
	// Refused means that the lines could be parsed, but are journal entries that no
	// mail server wrote. It is not stored; Shape shows it too.
	Refused bool
}
