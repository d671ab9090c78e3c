package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
	ma "github.com/multiformats/go-multiaddr"
)

// options are those of the command line.
type options struct {
	listen, security, dht            string
	pubsub, relay                    bool
	relayBytes                       int64
	relayMs                          int
	relayReservations, relayCircuits int
}

// node is one host with what it was asked to serve.
type node struct {
	host   host.Host
	out    *lines
	dht    *dht.IpfsDHT
	topics *topics
	chat   *chat
}

// newHost makes a host that has no limits of its own and does nothing unasked.
func newHost(listen, security string, more ...libp2p.Option) (host.Host, error) {
	settings := []libp2p.Option{
		libp2p.ListenAddrStrings(strings.Split(listen, ",")...),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(websocket.New),
		libp2p.Transport(libp2pquic.NewTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
	}
	for _, name := range strings.Split(security, ",") {
		switch name {
		case "noise":
			settings = append(settings, libp2p.Security(noise.ID, noise.New))
		case "tls":
			settings = append(settings, libp2p.Security(libp2ptls.ID, libp2ptls.New))
		default:
			return nil, fmt.Errorf("unknown security %q", name)
		}
	}
	return libp2p.New(append(settings, more...)...)
}

func startNode(o options, out *lines) (*node, error) {
	h, err := newHost(o.listen, o.security, relayOptions(o)...)
	if err != nil {
		return nil, err
	}
	n := &node{host: h, out: out}
	n.serveStreams()
	if o.dht != "" {
		if n.dht, err = startDHT(h, o.dht); err != nil {
			return nil, err
		}
	}
	if o.pubsub {
		gossip, err := pubsub.NewGossipSub(context.Background(), h)
		if err != nil {
			return nil, err
		}
		n.topics = newTopics(gossip, out)
	}
	return n, nil
}

// relayOptions says that we can be reached, since go-libp2p relays for others only then.
func relayOptions(o options) []libp2p.Option {
	if !o.relay {
		return nil
	}
	resources := relay.DefaultResources()
	resources.MaxReservations = o.relayReservations
	resources.MaxReservationsPerIP = o.relayReservations // all are on one
	resources.MaxCircuits = o.relayCircuits
	resources.Limit = nil
	if o.relayBytes > 0 || o.relayMs > 0 {
		resources.Limit = &relay.RelayLimit{Data: 1 << 40, Duration: time.Hour}
		if o.relayBytes > 0 {
			resources.Limit.Data = o.relayBytes
		}
		if o.relayMs > 0 {
			resources.Limit.Duration = time.Duration(o.relayMs) * time.Millisecond
		}
	}
	everyAddress := relay.WithReservationAddressFilter(func(ma.Multiaddr) bool { return true })
	return []libp2p.Option{libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(relay.WithResources(resources), everyAddress)}
}

// self tells who we are and where.
func (n *node) self() object {
	addresses := []string{}
	for _, address := range n.host.Addrs() {
		addresses = append(addresses, fmt.Sprintf("%s/p2p/%s", address, n.host.ID()))
	}
	protocols := []string{}
	for _, protocol := range n.host.Mux().Protocols() {
		protocols = append(protocols, string(protocol))
	}
	return object{"peer": n.host.ID().String(), "addresses": addresses, "protocols": protocols}
}

func (n *node) handle(ctx context.Context, c command) (object, error) {
	switch c.Cmd {
	case "self":
		return n.self(), nil
	case "quit":
		return nil, n.host.Close()
	case "dial":
		return n.dial(ctx, c.Address)
	case "connections":
		return n.connections(), nil
	case "reserve":
		return n.reserve(ctx, c.Address)
	case "handle":
		n.serveEcho(c.Protocol)
		return nil, nil
	}
	if handler := n.ofTopics(c.Cmd); handler != nil {
		return handler(c)
	}
	if handler := n.ofDHT(c.Cmd); handler != nil {
		return handler(ctx, c)
	}
	return n.handleOfPeer(ctx, c)
}

// handleOfPeer does what concerns one peer.
func (n *node) handleOfPeer(ctx context.Context, c command) (object, error) {
	id, err := peer.Decode(c.Peer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Cmd, err)
	}
	switch c.Cmd {
	case "known":
		return n.known(id), nil
	case "hang-up":
		return nil, n.host.Network().ClosePeer(id)
	case "ping":
		result, ok := <-ping.Ping(network.WithAllowLimitedConn(ctx, "ping"), n.host, id)
		if !ok {
			return nil, ctx.Err()
		}
		return object{"ms": float64(result.RTT) / float64(time.Millisecond)}, result.Error
	case "echo":
		return n.echo(ctx, id, c)
	case "sum":
		return n.sum(ctx, id, c)
	case "provoke":
		return n.provoke(ctx, id)
	case "reset":
		return nil, n.reset(ctx, id)
	}
	return nil, errors.New("unknown command " + c.Cmd)
}

func (n *node) dial(ctx context.Context, address string) (object, error) {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return nil, err
	}
	if err := n.host.Connect(network.WithAllowLimitedConn(ctx, "dial"), *info); err != nil {
		return nil, err
	}
	return object{"peer": info.ID.String()}, nil
}

func (n *node) connections() object {
	list := []object{}
	for _, conn := range n.host.Network().Conns() {
		direction := "outbound"
		if conn.Stat().Direction == network.DirInbound {
			direction = "inbound"
		}
		state := conn.ConnState()
		list = append(list, object{
			"peer": conn.RemotePeer().String(), "address": conn.RemoteMultiaddr().String(), "direction": direction,
			"security": string(state.Security), "muxer": string(state.StreamMultiplexer), "limited": conn.Stat().Limited,
		})
	}
	return object{"connections": list}
}

// known is what identify has told us of a peer.
func (n *node) known(id peer.ID) object {
	store := n.host.Peerstore()
	protocols := []string{}
	if known, err := store.GetProtocols(id); err == nil {
		for _, protocol := range known {
			protocols = append(protocols, string(protocol))
		}
	}
	addresses := []string{}
	for _, address := range store.Addrs(id) {
		addresses = append(addresses, address.String())
	}
	agent, _ := store.Get(id, "AgentVersion")
	return object{"protocols": protocols, "addresses": addresses, "agent": agent}
}

// reserve asks a relay for a slot; those who know our address there reach us until the connection ends.
func (n *node) reserve(ctx context.Context, address string) (object, error) {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return nil, err
	}
	slot, err := client.Reserve(ctx, n.host, *info)
	if err != nil {
		return nil, err
	}
	return object{
		"address": fmt.Sprintf("%s/p2p-circuit/p2p/%s", address, n.host.ID()),
		"bytes":   slot.LimitData, "ms": slot.LimitDuration.Milliseconds(),
	}, nil
}
