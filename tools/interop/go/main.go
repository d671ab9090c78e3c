// Command rlpx-peer is the go-ethereum side of kumiko's interop tests and benchmarks. It serves one p2p.Server on 127.0.0.1, with -discover a
// discovery node, or with -bench measures rlpx.Conn. README.md lists its commands and events.
package main

import (
	"crypto/ecdsa"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
)

func main() {
	caps := flag.String("caps", "kecho/1/4", "capabilities: name/version/length,…")
	key := flag.String("key", "", "private key, 64 hex digits (default: a fresh one)")
	maxPeers := flag.Int("max-peers", 50, "peers at most")
	client := flag.String("client", "rlpx-peer/go-ethereum", "our name in Hello")
	bench := flag.Bool("bench", false, "measure instead of serving")
	figure := flag.String("figure", "", "with -bench: the one figure to measure (default: all)")
	ms := flag.Int("ms", 1000, "with -bench: how long a figure is measured")
	protocols := flag.String("discover", "", "serve discovery instead: discv4, discv5 or discv4,discv5 (one socket)")
	host := flag.String("host", "127.0.0.1", "with -discover: IP address, 127.0.0.1 or ::1")
	port := flag.Int("port", 0, "with -discover: UDP port")
	bootnodes := flag.String("bootnodes", "", "with -discover: enode URLs or records, with commas between")
	pingMs := flag.Int("ping-ms", 3000, "with -discover: mean time between checks of known nodes")
	flag.Parse()

	var err error
	if *bench {
		err = runBench(*figure, *ms)
	} else if *protocols != "" {
		err = serveDiscovery(discoveryOptions{*protocols, *key, *host, *port, *bootnodes, *pingMs})
	} else {
		err = serve(*caps, *key, *maxPeers, *client)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rlpx-peer:", err)
		os.Exit(1)
	}
}

// serve runs until stdin ends or "quit".
func serve(capList, keyHex string, maxPeers int, client string) error {
	key, err := parseKey(keyHex)
	if err != nil {
		return err
	}
	caps, err := parseCaps(capList)
	if err != nil {
		return err
	}
	out := newLines()
	peers, err := startServer(key, caps, maxPeers, client, out)
	if err != nil {
		return err
	}
	raw := newRawConns(out)
	out.event("listening", object{"enode": peers.enode(), "secp256k1": curveName})
	readCommands(func(c command) {
		if c.Cmd == "quit" {
			peers.server.Stop()
			out.reply(c.ID, nil, nil)
			os.Exit(0)
		}
		fields, err := peers.handle(c)
		if errors.Is(err, errNotOurs) {
			fields, err = raw.handle(c)
		}
		out.reply(c.ID, fields, err)
	})
	return nil
}

// errNotOurs is what handlers answer to a command that they do not know.
var errNotOurs = errors.New("unknown command")

// parseKey reads a private key, or makes one from nothing.
func parseKey(text string) (*ecdsa.PrivateKey, error) {
	if text == "" {
		return crypto.GenerateKey()
	}
	return crypto.HexToECDSA(text)
}

// parseCaps reads name/version/length,…
func parseCaps(text string) ([]p2p.Protocol, error) {
	var out []p2p.Protocol
	for _, item := range strings.Split(text, ",") {
		parts := strings.Split(item, "/")
		if len(parts) != 3 {
			return nil, fmt.Errorf("-caps %q: want name/version/length", item)
		}
		version, err := strconv.ParseUint(parts[1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("-caps %q: %w", item, err)
		}
		length, err := strconv.ParseUint(parts[2], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("-caps %q: %w", item, err)
		}
		out = append(out, p2p.Protocol{Name: parts[0], Version: uint(version), Length: length})
	}
	return out, nil
}

// reasonOf finds the disconnect reason behind an error.
func reasonOf(err error) (uint8, bool) {
	var reason p2p.DiscReason
	if errors.As(err, &reason) {
		return uint8(reason), true
	}
	return 0, false
}
