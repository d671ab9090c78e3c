package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// What every peer of the tests serves.
const (
	protocolEcho = "/kumiko/echo/1.0.0" // sends back what comes, and ends when that ends
	protocolSum  = "/kumiko/sum/1.0.0"  // reads to the end, then answers with SHA-256
	// protocolReset resets the stream at its first bytes.
	protocolReset = "/kumiko/reset/1.0.0"
)

func (n *node) serveStreams() {
	n.serveEcho(protocolEcho)
	n.host.SetStreamHandler(protocolSum, func(s network.Stream) {
		defer s.Close()
		hash := sha256.New()
		if _, err := io.Copy(hash, s); err == nil {
			_, _ = s.Write(hash.Sum(nil))
		}
	})
	n.host.SetStreamHandler(protocolReset, func(s network.Stream) {
		_, _ = s.Read(make([]byte, 1))
		_ = s.Reset()
	})
}

// serveEcho tells how each stream ended.
func (n *node) serveEcho(name string) {
	n.host.SetStreamHandler(protocol.ID(name), func(s network.Stream) {
		size, err := io.Copy(s, s)
		how := "end"
		if err != nil {
			how = "reset"
		}
		_ = s.Close()
		n.out.event("echoed", object{"peer": s.Conn().RemotePeer().String(), "protocol": name, "size": size, "how": how})
	})
}

// open takes relayed connections, too.
func (n *node) open(ctx context.Context, id peer.ID, name string) (network.Stream, error) {
	s, err := n.host.NewStream(network.WithAllowLimitedConn(ctx, name), id, protocol.ID(name))
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return s, s.SetDeadline(deadline)
}

// echo sends size bytes while it reads what comes back.
func (n *node) echo(ctx context.Context, id peer.ID, c command) (object, error) {
	name := c.Protocol
	if name == "" {
		name = protocolEcho
	}
	s, err := n.open(ctx, id, name)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := s.Write(payload(c.Seed, c.Size))
		sent <- errors.Join(err, s.CloseWrite())
	}()
	hash := sha256.New()
	size, err := io.Copy(hash, s)
	if err := errors.Join(<-sent, err); err != nil {
		_ = s.Reset()
		return nil, err
	}
	return object{"size": size, "sha256": hex.EncodeToString(hash.Sum(nil))}, nil
}

// sum needs a stream that is half closed: the answer comes after our end.
func (n *node) sum(ctx context.Context, id peer.ID, c command) (object, error) {
	s, err := n.open(ctx, id, protocolSum)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	_, err = s.Write(payload(c.Seed, c.Size))
	if err := errors.Join(err, s.CloseWrite()); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(s)
	return object{"sha256": hex.EncodeToString(answer)}, err
}

// provoke has the remote reset a stream.
func (n *node) provoke(ctx context.Context, id peer.ID) (object, error) {
	s, err := n.open(ctx, id, protocolReset)
	if err != nil {
		return nil, err
	}
	if _, err := s.Write([]byte{1}); err != nil {
		return nil, err
	}
	_, err = io.ReadAll(s)
	switch {
	case err == nil:
		return object{"how": "end"}, s.Close()
	case errors.Is(err, network.ErrReset):
		return object{"how": "reset"}, nil
	}
	return nil, err
}

// reset ends an echo in its middle.
func (n *node) reset(ctx context.Context, id peer.ID) error {
	s, err := n.open(ctx, id, protocolEcho)
	if err != nil {
		return err
	}
	if _, err := s.Write([]byte{1}); err != nil {
		return err
	}
	if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
		return err
	}
	return s.Reset()
}

// payload makes size bytes from seed: xorshift32 (13, 17, 5), each state as four bytes, little-endian, the last cut off. Seed 0 counts as
// 0x9e3779b9, since zero is xorshift's fixed point. src/payload.ts makes the same.
func payload(seed uint32, size int) []byte {
	state := seed
	if state == 0 {
		state = 0x9e3779b9
	}
	out := make([]byte, (size+3)&^3)
	for at := 0; at < size; at += 4 {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		binary.LittleEndian.PutUint32(out[at:], state)
	}
	return out[:size]
}
