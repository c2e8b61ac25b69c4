//go:build !linux

package dbfile

// StartWriteback does nothing: there is no system call for it.
func (f *File) StartWriteback() {}
