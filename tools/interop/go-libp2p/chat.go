package main

import (
	"bufio"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	drouting "github.com/libp2p/go-libp2p/p2p/discovery/routing"
)

const (
	// protocolChat is that of go-libp2p's chat-with-rendezvous.
	protocolChat = "/chat/1.1.0"
	// searchPeriod lies between two searches for others, and between two tries to advertise.
	searchPeriod = time.Second
)

// chat behaves as go-libp2p's chat-with-rendezvous: it advertises the rendezvous in the DHT, opens a stream to each who does so too, whether
// or not they have opened one, and has a line of text end in a line feed. Unlike it, it goes on searching.
type chat struct {
	node *node

	mu      sync.Mutex
	dialed  map[peer.ID]bool           // has a stream of ours, or one is being opened
	streams map[peer.ID]network.Stream // the newest
}

// startChat takes the rendezvous as key.
func (n *node) startChat(_ context.Context, c command) (object, error) {
	if n.chat != nil {
		return nil, errors.New("chats already")
	}
	n.chat = &chat{node: n, dialed: map[peer.ID]bool{}, streams: map[peer.ID]network.Stream{}}
	n.host.SetStreamHandler(protocolChat, func(s network.Stream) { n.chat.listen(s, true) })
	discovery := drouting.NewRoutingDiscovery(n.dht)
	go n.chat.advertise(discovery, c.Key)
	go n.chat.search(discovery, c.Key)
	return nil, nil
}

// say sends a line to all, or to one peer. An empty line follows, as in the example, whose input has a line feed already.
func (n *node) say(_ context.Context, c command) (object, error) {
	if n.chat == nil {
		return nil, errors.New("no chat")
	}
	n.chat.mu.Lock()
	defer n.chat.mu.Unlock()
	count := 0
	for id, s := range n.chat.streams {
		if c.Peer != "" && c.Peer != id.String() {
			continue
		}
		if _, err := s.Write([]byte(c.Text + "\n\n")); err == nil {
			count++
		}
	}
	return object{"count": count}, nil
}

// advertise tries until it succeeds: at first nobody may be there to be told.
func (c *chat) advertise(discovery *drouting.RoutingDiscovery, rendezvous string) {
	for {
		if _, err := discovery.Advertise(context.Background(), rendezvous); err == nil {
			return
		}
		time.Sleep(searchPeriod)
	}
}

func (c *chat) search(discovery *drouting.RoutingDiscovery, rendezvous string) {
	for ; ; time.Sleep(searchPeriod) {
		ctx, cancel := context.WithTimeout(context.Background(), defaultTimeout)
		found, err := discovery.FindPeers(ctx, rendezvous)
		if err == nil {
			for info := range found {
				c.dial(ctx, info)
			}
		}
		cancel()
	}
}

// dial opens a stream where we have opened none yet.
func (c *chat) dial(ctx context.Context, info peer.AddrInfo) {
	if info.ID == c.node.host.ID() || !c.claim(info.ID) {
		return
	}
	ctx = network.WithAllowLimitedConn(ctx, protocolChat)
	err := c.node.host.Connect(ctx, info)
	if err == nil {
		var s network.Stream
		if s, err = c.node.host.NewStream(ctx, info.ID, protocolChat); err == nil {
			go c.listen(s, false)
			return
		}
	}
	c.release(info.ID)
}

func (c *chat) claim(id peer.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialed[id] {
		return false
	}
	c.dialed[id] = true
	return true
}

func (c *chat) release(id peer.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.dialed, id)
}

// listen tells each line until the stream ends.
func (c *chat) listen(s network.Stream, inbound bool) {
	id := s.Conn().RemotePeer()
	c.mu.Lock()
	c.streams[id] = s
	c.mu.Unlock()
	c.node.out.event("chat-joined", object{"peer": id.String(), "inbound": inbound})
	reader := bufio.NewReader(s)
	for {
		text, err := reader.ReadString('\n')
		if text = strings.TrimSuffix(text, "\n"); text != "" {
			c.node.out.event("chat-line", object{"peer": id.String(), "text": text})
		}
		if err != nil {
			break
		}
	}
	_ = s.Close()
	c.mu.Lock()
	if c.streams[id] == s {
		delete(c.streams, id)
	}
	c.mu.Unlock()
	if !inbound {
		c.release(id)
	}
	c.node.out.event("chat-left", object{"peer": id.String(), "inbound": inbound})
}
