package dbfile

import "golang.org/x/sys/unix"

// StartWriteback starts to write a database that is being built to the disk. The import
// waits for the disk at its end: 0.1 s after 90 MB, and half of that if it was started
// with the last commit.
func (f *File) StartWriteback() {
	if f.building() {
		_ = unix.SyncFileRange(int(f.fd.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	}
}
