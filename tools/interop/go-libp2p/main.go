// Command libp2p-peer is the go-libp2p side of kumiko's interop tests: one host on loopback that is driven by lines of JSON, or, where the
// environment has redis_addr, one side of test-plans' transport-interop. README.md lists its commands and events.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "/ip4/127.0.0.1/tcp/0", "multiaddrs, with commas between")
	flag.StringVar(&o.security, "security", "noise", "noise, tls, or both with a comma between, best first")
	flag.StringVar(&o.dht, "dht", "", "serve a DHT of this prefix: /kumiko for /kumiko/kad/1.0.0, /ipfs for amino's settings")
	flag.BoolVar(&o.pubsub, "pubsub", false, "serve gossipsub")
	flag.BoolVar(&o.relay, "relay", false, "serve circuit relay v2")
	flag.Int64Var(&o.relayBytes, "relay-bytes", 0, "with -relay: bytes that a relayed connection may carry each way (default: no limit)")
	flag.IntVar(&o.relayMs, "relay-ms", 0, "with -relay: how long a relayed connection may last (default: no limit)")
	flag.IntVar(&o.relayReservations, "relay-reservations", 128, "with -relay: reservations at most")
	flag.IntVar(&o.relayCircuits, "relay-circuits", 16, "with -relay: relayed connections of a peer at most")
	flag.Parse()

	var err error
	if address := os.Getenv("redis_addr"); address != "" {
		err = transportInterop(address)
	} else {
		err = serve(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "libp2p-peer:", err)
		os.Exit(1)
	}
}

// defaultTimeout is that of a command which names none.
const defaultTimeout = 10 * time.Second

// serve runs until stdin ends or "quit".
func serve(o options) error {
	out := newLines()
	n, err := startNode(o, out)
	if err != nil {
		return err
	}
	out.event("ready", n.self())
	readCommands(func(c command) {
		timeout := time.Duration(c.TimeoutMs) * time.Millisecond
		if timeout == 0 {
			timeout = defaultTimeout
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		fields, err := n.handle(ctx, c)
		out.reply(c.ID, fields, err)
		if c.Cmd == "quit" {
			os.Exit(0)
		}
	})
	return nil
}
