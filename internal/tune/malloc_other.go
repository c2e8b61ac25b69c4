//go:build linux && !cgo

package tune

func configureMalloc() {}
