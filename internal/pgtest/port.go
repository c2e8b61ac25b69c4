package pgtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports from ephemeral on are those that Linux gives to connections and to sockets that
// listen on port 0 (net.ipv4.ip_local_port_range).
const firstPort, ephemeral = 15000, 32768

// FreePort returns a port of 127.0.0.1 on which nothing listens, for a program that
// cannot listen on port 0. It is not an ephemeral one, which the kernel may give to
// another program before the program uses it.
func FreePort() (port int, err error) {
	for range 100 {
		port = firstPort + rand.IntN(ephemeral-firstPort)
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
