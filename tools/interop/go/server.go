package main

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	codeEcho   = 0 // sent back as codeEchoed
	codeEchoed = 1
	codeSink   = 2 // counted only

	// dynDialed is p2p's flag for a connection that it dialed itself.
	dynDialed = 1

	dialTimeout = 5 * time.Second
)

// link is one capability with one connected peer.
type link struct {
	peer *p2p.Peer
	rw   p2p.MsgReadWriter
	cap  string
}

type tally struct{ count, bytes uint64 }

// peers drives one p2p.Server.
type peers struct {
	server *p2p.Server
	out    *lines

	mu    sync.Mutex
	links []*link
	keys  map[enode.ID]string // public keys of connected peers
	sunk  map[string]tally    // by capability
}

func startServer(key *ecdsa.PrivateKey, caps []p2p.Protocol, maxPeers int, client string, out *lines) (*peers, error) {
	ps := &peers{out: out, keys: map[enode.ID]string{}, sunk: map[string]tally{}}
	for i := range caps {
		capability := caps[i]
		caps[i].Run = func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
			return ps.run(&link{peer, rw, capability.Name}, capability.Length)
		}
	}
	ps.server = &p2p.Server{Config: p2p.Config{
		PrivateKey:      key,
		MaxPeers:        maxPeers,
		MaxPendingPeers: 50,
		NoDiscovery:     true,
		NoDial:          true, // the scheduler never dials; "dial" does
		Name:            client,
		Protocols:       caps,
		ListenAddr:      "127.0.0.1:0",
		Logger:          log.NewLogger(newServerLog(ps)),
	}}
	return ps, ps.server.Start()
}

func (ps *peers) enode() string { return ps.server.Self().URLv4() }

func (ps *peers) handle(c command) (object, error) {
	switch c.Cmd {
	case "dial":
		return ps.dial(c.Enode)
	case "send":
		return nil, ps.send(c)
	case "disconnect":
		l, err := ps.find(c.Peer, "")
		if err != nil {
			return nil, err
		}
		l.peer.Disconnect(p2p.DiscReason(c.Reason))
		return nil, nil
	case "peers":
		return object{"peers": ps.server.PeersInfo()}, nil
	case "stats":
		return ps.stats(), nil
	}
	return nil, errNotOurs
}

// dial connects at once, with p2p's own set-up but without its scheduler, which would retry, and refuse to redial for 35 s.
func (ps *peers) dial(url string) (object, error) {
	node, err := enode.ParseV4(url)
	if err != nil {
		return nil, err
	}
	endpoint, ok := node.TCPEndpoint()
	if !ok || !endpoint.Addr().IsLoopback() {
		return nil, errors.New("only loopback is dialed")
	}
	conn, err := net.DialTimeout("tcp", endpoint.String(), dialTimeout)
	if err != nil {
		return nil, err
	}
	if err := ps.server.SetupConn(conn, dynDialed, node); err != nil {
		return nil, err
	}
	return object{"peer": publicKeyHex(node)}, nil
}

func (ps *peers) send(c command) error {
	l, err := ps.find(c.Peer, c.Cap)
	if err != nil {
		return err
	}
	for i := range max(c.Count, 1) {
		data := payload(c.Seed+uint32(i), c.Size)
		if err := l.rw.WriteMsg(p2p.Msg{Code: c.Code, Size: uint32(len(data)), Payload: bytes.NewReader(data)}); err != nil {
			return err
		}
	}
	return nil
}

// find waits up to 2 s for a link: capabilities of a new peer start one after another. No peer means any, no capability means any.
func (ps *peers) find(peer, capability string) (*link, error) {
	for range 200 {
		ps.mu.Lock()
		for _, l := range ps.links {
			if (peer == "" || peer == publicKeyHex(l.peer.Node())) && (capability == "" || capability == l.cap) {
				ps.mu.Unlock()
				return l, nil
			}
		}
		ps.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	return nil, fmt.Errorf("no peer %q with capability %q", peer, capability)
}

func (ps *peers) stats() object {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	sunk := object{}
	for name, t := range ps.sunk {
		sunk[name] = object{"count": t.count, "bytes": t.bytes}
	}
	return object{"sunk": sunk}
}

// run serves one capability of one peer until the connection ends.
func (ps *peers) run(l *link, length uint64) error {
	ps.add(l)
	defer ps.remove(l)
	for {
		msg, err := l.rw.ReadMsg()
		if err != nil {
			return err
		}
		if msg.Code == codeSink {
			if err := msg.Discard(); err != nil {
				return err
			}
			ps.sink(l.cap, msg.Size)
			continue
		}
		data, err := io.ReadAll(msg.Payload)
		if err != nil {
			return err
		}
		ps.out.event("message", object{
			"peer": publicKeyHex(l.peer.Node()), "cap": l.cap, "code": msg.Code, "size": len(data), "sha256": sha256Hex(data),
		})
		if msg.Code == codeEcho && length > codeEchoed {
			if err := l.rw.WriteMsg(p2p.Msg{Code: codeEchoed, Size: uint32(len(data)), Payload: bytes.NewReader(data)}); err != nil {
				return err
			}
		}
	}
}

// add also reports the peer, on its first capability.
func (ps *peers) add(l *link) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.links = append(ps.links, l)
	if _, known := ps.keys[l.peer.ID()]; known {
		return
	}
	key := publicKeyHex(l.peer.Node())
	ps.keys[l.peer.ID()] = key
	caps := []string{}
	for _, c := range l.peer.Caps() {
		caps = append(caps, c.String())
	}
	ps.out.event("added", object{
		"peer": key, "client": l.peer.Fullname(), "inbound": l.peer.Inbound(), "caps": caps, "remote": l.peer.RemoteAddr().String(),
	})
}

func (ps *peers) remove(l *link) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i, other := range ps.links {
		if other == l {
			ps.links = append(ps.links[:i], ps.links[i+1:]...)
			return
		}
	}
}

func (ps *peers) sink(capability string, size uint32) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	t := ps.sunk[capability]
	ps.sunk[capability] = tally{t.count + 1, t.bytes + uint64(size)}
}

// dropped reports that a peer has left the server's set.
func (ps *peers) dropped(id enode.ID, requested bool, err error) {
	ps.mu.Lock()
	key := ps.keys[id]
	delete(ps.keys, id)
	ps.mu.Unlock()
	ps.out.event("dropped", withError(object{"peer": key, "requested": requested}, err))
}

// refused reports a connection that did not become a peer.
func (ps *peers) refused(stage, flags string, err error) {
	ps.out.event("refused", withError(object{"stage": stage, "inbound": flags != "dyndial"}, err))
}

func withError(fields object, err error) object {
	if err == nil {
		return fields
	}
	fields["error"] = err.Error()
	if reason, ok := reasonOf(err); ok {
		fields["reason"] = reason
	}
	return fields
}

// publicKeyHex is a node's public key as enode URLs write it: 128 hex digits.
func publicKeyHex(node *enode.Node) string {
	key := node.Pubkey()
	if key == nil {
		return ""
	}
	return hex.EncodeToString(crypto.FromECDSAPub(key)[1:])
}
