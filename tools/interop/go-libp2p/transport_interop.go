package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

// listenerKey is where the listener leaves its address for the dialer.
const listenerKey = "listenerAddr"

// transportInterop plays the side that the environment tells, as test-plans' transport-interop asks.
func transportInterop(redisAddress string) error {
	seconds, err := strconv.Atoi(os.Getenv("test_timeout_seconds"))
	if err != nil {
		return fmt.Errorf("test_timeout_seconds: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()
	redis, err := net.Dial("tcp", redisAddress)
	if err != nil {
		return err
	}
	defer redis.Close()
	security := os.Getenv("security")
	if security == "" {
		security = "noise" // of no use to a transport that has its own
	}
	listen, err := listenAddress(os.Getenv("transport"), os.Getenv("ip"))
	if err != nil {
		return err
	}
	h, err := newHost(listen, security)
	if err != nil {
		return err
	}
	defer h.Close()
	if os.Getenv("is_dialer") == "true" {
		return dialAndPing(ctx, redis, seconds, func(ctx context.Context, info peer.AddrInfo) (time.Duration, error) {
			if err := h.Connect(ctx, info); err != nil {
				return 0, err
			}
			result := <-ping.Ping(ctx, h, info.ID)
			return result.RTT, result.Error
		})
	}
	ask(redis, "RPUSH", listenerKey, fmt.Sprintf("%s/p2p/%s", h.Addrs()[0], h.ID()))
	<-ctx.Done() // the runner ends us before
	return ctx.Err()
}

func listenAddress(transport, ip string) (string, error) {
	switch transport {
	case "tcp":
		return "/ip4/" + ip + "/tcp/0", nil
	case "ws":
		return "/ip4/" + ip + "/tcp/0/ws", nil
	case "quic-v1":
		return "/ip4/" + ip + "/udp/0/quic-v1", nil
	}
	return "", fmt.Errorf("unknown transport %q", transport)
}

func dialAndPing(ctx context.Context, redis net.Conn, seconds int, connect func(context.Context, peer.AddrInfo) (time.Duration, error)) error {
	ask(redis, "BLPOP", listenerKey, strconv.Itoa(seconds))
	address, err := secondOfTwo(bufio.NewReader(redis))
	if err != nil {
		return err
	}
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return err
	}
	start := time.Now()
	rtt, err := connect(ctx, *info)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(object{
		"handshakePlusOneRTTMillis": milliseconds(time.Since(start)), "pingRTTMilllis": milliseconds(rtt),
	})
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ask writes a command in Redis' protocol, an array of bulk strings.
func ask(redis io.Writer, words ...string) {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	_, _ = io.WriteString(redis, text.String()) // an error shows when the answer is read
}

// secondOfTwo reads the answer to BLPOP: an array of the key and the value.
func secondOfTwo(in *bufio.Reader) (string, error) {
	var words []string
	for range 5 { // *2, $n, key, $n, value
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		words = append(words, strings.TrimSuffix(line, "\r\n"))
	}
	if words[0] != "*2" {
		return "", errors.New("redis has no address: " + words[0])
	}
	return words[4], nil
}
