package tailer

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/nxadm/tail"
)

// liveLimit is the number of waiting bytes up to which nxadm/tail reads them. More
// is read in blocks, which cost less than single lines.
const liveLimit = 2 << 10

// readLive reads the whole lines between an offset and a limit with nxadm/tail.
// It opens our descriptor, so that it cannot get another file, and neither watches
// nor reopens anything.
func readLive(f *os.File, offset, limit int64) (block, error) {
	b := block{end: offset}
	t, err := tail.TailFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), tail.Config{
		Location:      &tail.SeekInfo{Offset: offset, Whence: io.SeekStart},
		MustExist:     true,
		CompleteLines: true,
		Logger:        log.New(io.Discard, "", 0),
	})
	if err != nil {
		return b, err
	}
	for line := range t.Lines {
		end := b.end + int64(len(line.Text)) + 1
		switch {
		case line.Err != nil:
			err = line.Err
		case end > limit:
			t.Kill(nil) // the writer may be as fast as we are
		case line.SeekInfo.Offset == end:
			b.data = append(append(b.data, line.Text...), '\n')
			b.end = end
		}
	}
	if waited := t.Wait(); err == nil && waited != nil {
		err = waited
	}
	return b, err
}
