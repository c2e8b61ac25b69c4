package e2e

import "os"

func tortureInodeUsedAgain(x *tortured) {
	x.start()
	for range 3 {
		x.bounces(40)
		x.seen()
		x.d.kill()
		x.bounces(10)
		before := inode(x.path)
		x.shift()
		x.check(x.f.Close())
		x.check(os.Rename(x.path, x.path+".1"))
		x.pack(x.path + ".1")
		x.create() // most file systems reuse the last free inode
		if inode(x.path) != before {
			x.t.Log("this file system does not use inodes again at once")
		}
		x.bounces(60)
		x.start()
	}
}
