//go:build !linux

package tune

func useHugePages() {}

func configureMalloc() {}
