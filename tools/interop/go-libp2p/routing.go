package main

import (
	"context"
	"errors"

	"github.com/ipfs/go-cid"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	mh "github.com/multiformats/go-multihash"
)

// aminoPrefix takes no validators of ours: only /pk and /ipns are put and got there.
const aminoPrefix = "/ipfs"

// startDHT serves a DHT that takes every address, loopback too, and any value under /kumiko where the DHT is a private one.
func startDHT(h host.Host, prefix string) (*dht.IpfsDHT, error) {
	settings := []dht.Option{dht.Mode(dht.ModeServer), dht.ProtocolPrefix(protocol.ID(prefix))}
	if prefix != aminoPrefix {
		settings = append(settings, dht.NamespacedValidator("kumiko", anyValue{}))
	}
	return dht.New(h, settings...)
}

// anyValue takes every value, and the first of several.
type anyValue struct{}

func (anyValue) Validate(string, []byte) error        { return nil }
func (anyValue) Select(string, [][]byte) (int, error) { return 0, nil }

// ofDHT finds what does a command, or nil where it is none of the DHT's.
func (n *node) ofDHT(cmd string) func(context.Context, command) (object, error) {
	handler := map[string]func(context.Context, command) (object, error){
		"routing-table":  n.routingTable,
		"provide":        n.provide,
		"find-providers": n.findProviders,
		"find-peer":      n.findPeer,
		"put":            n.put,
		"get":            n.get,
		"chat":           n.startChat,
		"say":            n.say,
	}[cmd]
	if handler != nil && n.dht == nil {
		return func(context.Context, command) (object, error) { return nil, errors.New("no -dht") }
	}
	return handler
}

func (n *node) routingTable(context.Context, command) (object, error) {
	peers := []string{}
	for _, id := range n.dht.RoutingTable().ListPeers() {
		peers = append(peers, id.String())
	}
	return object{"peers": peers}, nil
}

func (n *node) provide(ctx context.Context, c command) (object, error) {
	key, err := keyOf(c.Key)
	if err != nil {
		return nil, err
	}
	return nil, n.dht.Provide(ctx, key, true)
}

// findProviders takes count at most.
func (n *node) findProviders(ctx context.Context, c command) (object, error) {
	key, err := keyOf(c.Key)
	if err != nil {
		return nil, err
	}
	peers := []string{}
	for found := range n.dht.FindProvidersAsync(ctx, key, c.Count) {
		peers = append(peers, found.ID.String())
	}
	return object{"peers": peers}, nil
}

func (n *node) findPeer(ctx context.Context, c command) (object, error) {
	id, err := peer.Decode(c.Peer)
	if err != nil {
		return nil, err
	}
	info, err := n.dht.FindPeer(ctx, id)
	if err != nil {
		return nil, err
	}
	addresses := []string{}
	for _, address := range info.Addrs {
		addresses = append(addresses, address.String())
	}
	return object{"addresses": addresses}, nil
}

func (n *node) put(ctx context.Context, c command) (object, error) {
	return nil, n.dht.PutValue(ctx, c.Key, []byte(c.Text))
}

func (n *node) get(ctx context.Context, c command) (object, error) {
	value, err := n.dht.GetValue(ctx, c.Key)
	return object{"text": string(value)}, err
}

// keyOf makes the CID of a text: version 1, raw, SHA-256. It is that of a rendezvous, too.
func keyOf(text string) (cid.Cid, error) {
	hash, err := mh.Sum([]byte(text), mh.SHA2_256, -1)
	if err != nil {
		return cid.Undef, err
	}
	return cid.NewCidV1(cid.Raw, hash), nil
}
