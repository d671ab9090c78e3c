package main

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"
)

const (
	codeHello      = 0
	codeDisconnect = 1
	codePing       = 2
	codePong       = 3

	baseVersion   = 5
	snappyVersion = 5

	// hexMax is up to which size a message is reported whole, in bytes.
	hexMax = 2048
)

// helloCap is a capability in Hello: ["kecho", 1].
type helloCap struct {
	Name    string `json:"name"`
	Version uint64 `json:"version"`
}

// hello is the base protocol's first message. Fields are those of devp2p/rlpx.md § Hello.
type hello struct {
	Version uint64
	Client  string
	Caps    []helloCap
	Port    uint64
	ID      []byte
	Rest    []rlp.RawValue `rlp:"tail"`
}

// rawConn is a connection on which nothing is answered by itself: what is written is what the test asks for.
//
// Compression is done here, not by rlpx.Conn, so that a message can be sent compressed or plain at any time.
type rawConn struct {
	id     int
	tcp    net.Conn
	conn   *rlpx.Conn
	key    *ecdsa.PrivateKey
	out    *lines
	remote *ecdsa.PublicKey

	write  sync.Mutex // held while writing; guards what follows
	snappy bool       // both Hellos are through, and both sides compress

	helloSent chan struct{} // closed by the first Hello of ours
	sendOnce  sync.Once
	version   uint64 // of our Hello
}

// rawConns holds the connections of the raw level, by number from 1.
type rawConns struct {
	out *lines
	mu  sync.Mutex
	all map[int]*rawConn
}

func newRawConns(out *lines) *rawConns { return &rawConns{out: out, all: map[int]*rawConn{}} }

func (rs *rawConns) handle(c command) (object, error) {
	switch c.Cmd {
	case "rlpx-dial":
		return rs.dial(c)
	case "rlpx-listen":
		return rs.listen(c)
	}
	rs.mu.Lock()
	r := rs.all[c.Conn]
	rs.mu.Unlock()
	if r == nil {
		return nil, fmt.Errorf("%q: %w, or no such connection", c.Cmd, errNotOurs)
	}
	switch c.Cmd {
	case "rlpx-hello":
		return nil, r.sendHello(c)
	case "rlpx-write":
		data, err := c.data()
		if err != nil {
			return nil, err
		}
		return nil, r.send(c.Code, data, c.Snappy)
	case "rlpx-disconnect":
		data, err := disconnectPayload(c.Reason, c.Form)
		if err != nil {
			return nil, err
		}
		return nil, r.send(codeDisconnect, data, c.Snappy)
	case "rlpx-bytes":
		data, err := c.data()
		if err != nil {
			return nil, err
		}
		_, err = r.tcp.Write(data)
		return nil, err
	case "rlpx-close":
		return nil, r.tcp.Close()
	}
	return nil, errNotOurs
}

func (rs *rawConns) dial(c command) (object, error) {
	node, err := enode.ParseV4(c.Enode)
	if err != nil {
		return nil, err
	}
	endpoint, ok := node.TCPEndpoint()
	if !ok || !endpoint.Addr().IsLoopback() {
		return nil, errors.New("only loopback is dialed")
	}
	tcp, err := net.DialTimeout("tcp", endpoint.String(), dialTimeout)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(c.Key)
	if err != nil {
		return nil, err
	}
	r, err := rs.open(tcp, key, node.Pubkey())
	if err != nil {
		return nil, err
	}
	go r.read()
	return object{"conn": r.id, "local": publicHex(&key.PublicKey)}, nil
}

// listen accepts connections for as long as the process runs; each becomes an event.
func (rs *rawConns) listen(c command) (object, error) {
	key, err := parseKey(c.Key)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address, _ := listener.Addr().(*net.TCPAddr)
	go func() {
		for {
			tcp, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				r, err := rs.open(tcp, key, nil)
				if err != nil {
					rs.out.event("rlpx-refused", withError(object{}, err))
					return
				}
				rs.out.event("rlpx-accepted", object{"conn": r.id, "peer": publicHex(r.remote)})
				r.read()
			}()
		}
	}()
	return object{"enode": enode.NewV4(&key.PublicKey, address.IP, address.Port, 0).URLv4()}, nil
}

// open does the handshake: as initiator where the remote's key is given.
func (rs *rawConns) open(tcp net.Conn, key *ecdsa.PrivateKey, remote *ecdsa.PublicKey) (*rawConn, error) {
	r := &rawConn{tcp: tcp, conn: rlpx.NewConn(tcp, remote), key: key, out: rs.out, helloSent: make(chan struct{})}
	tcp.SetDeadline(time.Now().Add(dialTimeout))
	proven, err := r.conn.Handshake(key)
	if err != nil {
		tcp.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	tcp.SetDeadline(time.Time{})
	r.remote = proven
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.id = len(rs.all) + 1
	rs.all[r.id] = r
	return r, nil
}

func (r *rawConn) sendHello(c command) error {
	version := uint64(baseVersion)
	if c.Version != nil {
		version = *c.Version
	}
	id := crypto.FromECDSAPub(&r.key.PublicKey)[1:]
	if c.Node != nil {
		var err error
		if id, err = hex.DecodeString(*c.Node); err != nil {
			return err
		}
	}
	var rest []rlp.RawValue
	for _, item := range c.Extra {
		value, err := hex.DecodeString(item)
		if err != nil {
			return err
		}
		rest = append(rest, value)
	}
	data, err := rlp.EncodeToBytes(&hello{version, c.Client, c.Caps, 0, id, rest})
	if err != nil {
		return err
	}
	plain := false
	err = r.send(codeHello, data, &plain)
	r.sendOnce.Do(func() {
		r.version = version
		close(r.helloSent)
	})
	return err
}

// send compresses where told to, else where both sides agreed to.
func (r *rawConn) send(code uint64, data []byte, compress *bool) error {
	r.write.Lock()
	defer r.write.Unlock()
	if (compress == nil && r.snappy) || (compress != nil && *compress) {
		data = snappy.Encode(nil, data)
	}
	r.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
	_, err := r.conn.Write(code, data)
	return err
}

// read reports each message until the connection ends. After the remote's Hello it waits for ours, since only then it is settled whether
// what follows is compressed.
func (r *rawConn) read() {
	compressed := false
	for {
		code, data, _, err := r.conn.Read()
		if err != nil {
			r.out.event("rlpx-closed", withError(object{"conn": r.id}, err))
			r.tcp.Close()
			return
		}
		if code == codeHello && !compressed {
			compressed = r.receiveHello(data)
			continue
		}
		r.report(code, data, compressed)
	}
}

// receiveHello tells whether compression begins.
func (r *rawConn) receiveHello(data []byte) bool {
	var their hello
	if err := rlp.DecodeBytes(data, &their); err != nil {
		r.out.event("rlpx-bad-hello", withError(object{"conn": r.id, "hex": hex.EncodeToString(data)}, err))
		return false
	}
	caps := their.Caps
	if caps == nil {
		caps = []helloCap{}
	}
	r.out.event("rlpx-hello", object{
		"conn": r.id, "version": their.Version, "client": their.Client, "caps": caps, "port": their.Port, "nodeId": hex.EncodeToString(their.ID),
		"extra": len(their.Rest),
	})
	select {
	case <-r.helloSent:
	case <-time.After(30 * time.Second):
		return false
	}
	r.write.Lock()
	defer r.write.Unlock()
	r.snappy = their.Version >= snappyVersion && r.version >= snappyVersion
	return r.snappy
}

func (r *rawConn) report(code uint64, data []byte, compressed bool) {
	fields := object{"conn": r.id, "code": code}
	wasCompressed := compressed
	if compressed {
		plain, err := snappy.Decode(nil, data)
		switch {
		case err == nil:
			data = plain
		case code == codeDisconnect:
			wasCompressed = false // some send it plain
		default:
			fields["error"] = err.Error()
		}
	}
	fields["size"] = len(data)
	fields["sha256"] = sha256Hex(data)
	fields["compressed"] = wasCompressed
	if len(data) <= hexMax {
		fields["hex"] = hex.EncodeToString(data)
	}
	if code == codeDisconnect {
		form, reason := disconnectForm(data)
		fields["form"] = form
		if reason != nil {
			fields["reason"] = *reason
		}
	}
	r.out.event(eventOf(code), fields)
}

func eventOf(code uint64) string {
	switch code {
	case codeDisconnect:
		return "rlpx-disconnect"
	case codePing:
		return "rlpx-ping"
	case codePong:
		return "rlpx-pong"
	}
	return "rlpx-message"
}

// disconnectPayload writes a reason as the specification has it ("list"), as some clients do ("bare"), or not at all ("empty", "empty-list").
func disconnectPayload(reason uint8, form string) ([]byte, error) {
	switch form {
	case "", "list":
		return rlp.EncodeToBytes([]uint64{uint64(reason)}) // []uint8 would be a byte string
	case "bare":
		return rlp.EncodeToBytes(reason)
	case "empty":
		return []byte{}, nil
	case "empty-list":
		return []byte{0xc0}, nil
	}
	return nil, fmt.Errorf("form %q: want list, bare, empty or empty-list", form)
}

// disconnectForm tells how a disconnect was written, and its reason if there is one.
func disconnectForm(data []byte) (string, *uint64) {
	var list []uint64
	var bare uint64
	switch {
	case len(data) == 0:
		return "empty", nil
	case rlp.DecodeBytes(data, &bare) == nil:
		return "bare", &bare
	case rlp.DecodeBytes(data, &list) == nil && len(list) == 0:
		return "empty-list", nil
	case rlp.DecodeBytes(data, &list) == nil:
		return "list", &list[0]
	}
	return "invalid", nil
}

// data is a command's payload: hex as given, else size bytes from seed.
func (c command) data() ([]byte, error) {
	if c.Hex != nil {
		return hex.DecodeString(*c.Hex)
	}
	return payload(c.Seed, c.Size), nil
}

func publicHex(key *ecdsa.PublicKey) string { return hex.EncodeToString(crypto.FromECDSAPub(key)[1:]) }
