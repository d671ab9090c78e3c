package main

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

// unhandledMax is how many packets wait for discv5 on a shared socket; geth has the same.
const unhandledMax = 100

var errNoProtocol = errors.New("the node does not serve that protocol")

type discoveryOptions struct {
	protocols string
	key       string
	host      string
	port      int
	bootnodes string
	pingMs    int
}

// discoveryNode is a discovery node as geth runs it: both protocols on one socket, discv4 first.
type discoveryNode struct {
	out   *lines
	local *enode.LocalNode
	v4    *discover.UDPv4
	v5    *discover.UDPv5
}

// serveDiscovery runs until stdin ends or "quit".
func serveDiscovery(options discoveryOptions) error {
	out := newLines()
	node, err := startDiscovery(options, out)
	if err != nil {
		return err
	}
	out.event("listening", node.self())
	readCommands(func(c command) {
		if c.Cmd == "quit" {
			out.reply(c.ID, nil, nil)
			os.Exit(0)
		}
		fields, err := node.handle(c)
		out.reply(c.ID, fields, err)
	})
	return nil
}

func startDiscovery(options discoveryOptions, out *lines) (*discoveryNode, error) {
	log.SetDefault(log.NewLogger(log.NewTerminalHandlerWithLevel(io.Discard, log.LevelCrit, false)))
	key, err := parseKey(options.key)
	if err != nil {
		return nil, err
	}
	bootnodes, err := parseNodes(options.bootnodes)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(options.host), Port: options.port})
	if err != nil {
		return nil, err
	}
	local, err := localNode(key, conn.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return nil, err
	}
	config := discover.Config{PrivateKey: key, Bootnodes: bootnodes, PingInterval: time.Duration(options.pingMs) * time.Millisecond}
	node := &discoveryNode{out: out, local: local}
	return node, node.listen(strings.Split(options.protocols, ","), conn, config)
}

// localNode is a local node that says what geth's says: a TCP port as well, though nobody listens there.
func localNode(key *ecdsa.PrivateKey, addr *net.UDPAddr) (*enode.LocalNode, error) {
	db, err := enode.OpenDB("") // in memory
	if err != nil {
		return nil, err
	}
	local := enode.NewLocalNode(db, key)
	local.SetFallbackIP(addr.IP)
	local.SetFallbackUDP(addr.Port)
	local.Set(enr.TCP(addr.Port))
	return local, nil
}

func (d *discoveryNode) listen(protocols []string, conn *net.UDPConn, config discover.Config) (err error) {
	var v5conn discover.UDPConn = conn
	serves := map[string]bool{}
	for _, protocol := range protocols {
		serves[protocol] = true
	}
	if serves["discv4"] {
		v4config := config
		if serves["discv5"] {
			unhandled := make(chan discover.ReadPacket, unhandledMax)
			v4config.Unhandled = unhandled
			v5conn = &discover.SharedUDPConn{UDPConn: conn, Unhandled: unhandled}
		}
		if d.v4, err = discover.ListenV4(conn, d.local, v4config); err != nil {
			return err
		}
	}
	if serves["discv5"] {
		d.v5, err = discover.ListenV5(v5conn, d.local, config)
	}
	return err
}

// self says who the node is.
func (d *discoveryNode) self() object {
	node := d.local.Node()
	return object{"enode": node.URLv4(), "record": node.String(), "seq": node.Seq()}
}

func (d *discoveryNode) handle(c command) (object, error) {
	switch c.Cmd {
	case "self":
		return d.self(), nil
	case "set-entry":
		d.local.Set(enr.WithEntry(c.Entry, []byte(c.Entry)))
		return d.self(), nil
	case "talk":
		return d.talk(c)
	case "serve-talk":
		return nil, d.serveTalk(c.Talk)
	}
	switch {
	case c.Protocol == "discv4" && d.v4 != nil:
		return d.handleV4(c)
	case c.Protocol == "discv5" && d.v5 != nil:
		return d.handleV5(c)
	}
	return nil, errNoProtocol
}

func (d *discoveryNode) handleV4(c command) (object, error) {
	if c.Cmd == "table" {
		return enodes(d.v4.TableBuckets()), nil
	}
	if c.Cmd == "lookup" {
		key, err := parsePublicKey(c.Target)
		if err != nil {
			return nil, err
		}
		return nodeList(d.v4.LookupPubkey(key)), nil
	}
	node, err := enode.Parse(enode.ValidSchemes, c.NodeText)
	if err != nil {
		return nil, err
	}
	switch c.Cmd {
	case "ping":
		pong, err := d.v4.Ping(node)
		if err != nil {
			return nil, err
		}
		return object{"seq": pong.ENRSeq, "ip": pong.To.IP.String(), "port": pong.To.UDP}, nil
	case "request-record":
		return record(d.v4.RequestENR(node))
	case "resolve":
		return record(d.v4.Resolve(node), nil)
	}
	return nil, errNotOurs
}

func (d *discoveryNode) handleV5(c command) (object, error) {
	if c.Cmd == "table" {
		return enodes(d.v5.Nodes()), nil
	}
	if c.Cmd == "lookup" {
		key, err := parsePublicKey(c.Target)
		if err != nil {
			return nil, err
		}
		return nodeList(d.v5.Lookup(enode.PubkeyToIDV4(key))), nil
	}
	node, err := enode.Parse(enode.ValidSchemes, c.NodeText)
	if err != nil {
		return nil, err
	}
	switch c.Cmd {
	case "ping":
		pong, err := d.v5.Ping(node)
		if err != nil {
			return nil, err
		}
		return object{"seq": pong.ENRSeq, "ip": pong.ToIP.String(), "port": pong.ToPort}, nil
	case "request-record":
		return record(d.v5.RequestENR(node))
	case "find-nodes":
		nodes, err := d.v5.Findnode(node, c.Distances)
		return nodeList(nodes), err
	case "resolve":
		return record(d.v5.Resolve(node), nil)
	}
	return nil, errNotOurs
}

// talk sends a TALKREQ.
func (d *discoveryNode) talk(c command) (object, error) {
	if d.v5 == nil {
		return nil, errNoProtocol
	}
	node, err := enode.Parse(enode.ValidSchemes, c.NodeText)
	if err != nil {
		return nil, err
	}
	request, err := hex.DecodeString(text(c.Hex))
	if err != nil {
		return nil, err
	}
	response, err := d.v5.TalkRequest(node, c.Talk, request)
	return object{"hex": hex.EncodeToString(response)}, err
}

// serveTalk answers requests of a protocol with its name and the request.
func (d *discoveryNode) serveTalk(protocol string) error {
	if d.v5 == nil {
		return errNoProtocol
	}
	d.v5.RegisterTalkHandler(protocol, func(_ *enode.Node, _ *net.UDPAddr, request []byte) []byte {
		d.out.event("talked", object{"talk": protocol, "hex": hex.EncodeToString(request)})
		return append([]byte(protocol), request...)
	})
	return nil
}

func parseNodes(list string) ([]*enode.Node, error) {
	var nodes []*enode.Node
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		node, err := enode.Parse(enode.ValidSchemes, item)
		if err != nil {
			return nil, fmt.Errorf("-bootnodes %q: %w", item, err)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// parsePublicKey reads a public key as enode URLs write it: 128 hex digits.
func parsePublicKey(text string) (*ecdsa.PublicKey, error) {
	bytes, err := hex.DecodeString("04" + text)
	if err != nil {
		return nil, err
	}
	return crypto.UnmarshalPubkey(bytes)
}

func record(node *enode.Node, err error) (object, error) {
	if err != nil {
		return nil, err
	}
	return object{"record": node.String(), "seq": node.Seq()}, nil
}

// enodes is a table's content.
func enodes(buckets [][]discover.BucketNode) object {
	var nodes []*enode.Node
	for _, bucket := range buckets {
		for _, entry := range bucket {
			nodes = append(nodes, entry.Node)
		}
	}
	return nodeList(nodes)
}

func nodeList(nodes []*enode.Node) object {
	urls := []string{}
	for _, node := range nodes {
		urls = append(urls, node.URLv4())
	}
	return object{"nodes": urls}
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}
