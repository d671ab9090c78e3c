package main

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"
)

// figures are measured with both ends in this process, over loopback TCP, on one core.
var figures = []struct {
	name string
	size int // of a message; 0: handshakes
}{{"handshake", 0}, {"msg-32", 32}, {"msg-1k", 1024}, {"msg-64k", 65536}}

// keyPool is how many identities the handshakes go round; made beforehand, so that making them is not measured.
const keyPool = 512

// rates is one figure. MB are 10^6 bytes of payload.
type rates struct {
	PerCPUSecond   float64 `json:"perCpuSecond"`
	PerSecond      float64 `json:"perSecond"`
	MBPerCPUSecond float64 `json:"mbPerCpuSecond"`
}

func runBench(only string, ms int) error {
	runtime.GOMAXPROCS(1)
	result := object{"secp256k1": curveName, "go": runtime.Version(), "goEthereum": moduleVersion(), "ms": ms}
	measured := map[string]rates{}
	for _, f := range figures {
		if only != "" && only != f.name {
			continue
		}
		var r rates
		var err error
		if f.size == 0 {
			r, err = benchHandshakes(time.Duration(ms) * time.Millisecond)
		} else {
			r, err = benchMessages(f.size, time.Duration(ms)*time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		measured[f.name] = r
	}
	if len(measured) == 0 {
		return fmt.Errorf("-figure %q: want handshake, msg-32, msg-1k or msg-64k", only)
	}
	result["figures"] = measured
	return json.NewEncoder(os.Stdout).Encode(result)
}

// meter measures from its making on.
type meter struct {
	wall time.Time
	cpu  time.Duration
}

func startMeter() meter { return meter{time.Now(), cpuTime()} }

func (m meter) rates(count, bytes int) rates {
	wall, cpu := time.Since(m.wall).Seconds(), (cpuTime() - m.cpu).Seconds()
	return rates{float64(count) / cpu, float64(count) / wall, float64(bytes) / cpu / 1e6}
}

// cpuTime is the user and system time of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchHandshakes opens connections one after another: fresh TCP, auth and ack, Hello both ways. A tenth of the time is spent warming up.
func benchHandshakes(duration time.Duration) (rates, error) {
	keys := make([]*ecdsa.PrivateKey, keyPool)
	for i := range keys {
		keys[i], _ = crypto.GenerateKey()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return rates{}, err
	}
	defer listener.Close()
	next := 0
	once := func() error {
		dialing, listening := keys[next%keyPool], keys[(next+1)%keyPool]
		next += 2
		a, b, err := connect(listener, dialing, listening, true)
		if err != nil {
			return err
		}
		b.Close()
		return a.Close()
	}
	for warm := time.Now().Add(duration / 10); time.Now().Before(warm); {
		if err := once(); err != nil {
			return rates{}, err
		}
	}
	count := 0
	m := startMeter()
	for end := time.Now().Add(duration); time.Now().Before(end); count++ {
		if err := once(); err != nil {
			return rates{}, err
		}
	}
	return m.rates(count, 0), nil
}

// benchMessages sends random messages one way, with snappy, until the time is up; what has been received counts.
func benchMessages(size int, duration time.Duration) (rates, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return rates{}, err
	}
	defer listener.Close()
	keyA, _ := crypto.GenerateKey()
	keyB, _ := crypto.GenerateKey()
	a, b, err := connect(listener, keyA, keyB, false)
	if err != nil {
		return rates{}, err
	}
	data := payload(1, size)
	warm := time.Now().Add(duration / 10)
	end := warm.Add(duration)
	go func() {
		defer a.Close()
		for i := 0; i&15 != 0 || time.Now().Before(end); i++ {
			if _, err := a.Write(0x10, data); err != nil {
				return
			}
		}
	}()
	var m meter
	count, warming := 0, true
	for {
		if warming && !time.Now().Before(warm) {
			m, count, warming = startMeter(), 0, false
		}
		_, got, _, err := b.Read()
		if err != nil {
			b.Close()
			return m.rates(count, count*size), nil
		}
		if len(got) != size {
			return rates{}, errors.New("wrong size")
		}
		count++
	}
}

// connect gives both ends of a connection, past Hello, compressing.
func connect(listener net.Listener, dialing, listening *ecdsa.PrivateKey, reset bool) (*rlpx.Conn, *rlpx.Conn, error) {
	var a, b *rlpx.Conn
	var errA, errB error
	var both sync.WaitGroup
	both.Add(1)
	go func() {
		defer both.Done()
		tcp, err := listener.Accept()
		if err != nil {
			errB = err
			return
		}
		b = rlpx.NewConn(tcp, nil)
		errB = shake(b, listening)
	}()
	tcp, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	if t, ok := tcp.(*net.TCPConn); ok && reset {
		t.SetLinger(0) // no TIME_WAIT: ports would run out
	}
	a = rlpx.NewConn(tcp, &listening.PublicKey)
	errA = shake(a, dialing)
	both.Wait()
	return a, b, errors.Join(errA, errB)
}

func shake(conn *rlpx.Conn, key *ecdsa.PrivateKey) error {
	if _, err := conn.Handshake(key); err != nil {
		return err
	}
	ours := hello{baseVersion, "rlpx-peer", []helloCap{{"kecho", 1}}, 0, crypto.FromECDSAPub(&key.PublicKey)[1:], nil}
	data, err := rlp.EncodeToBytes(&ours)
	if err != nil {
		return err
	}
	if _, err := conn.Write(codeHello, data); err != nil {
		return err
	}
	_, data, _, err = conn.Read()
	if err != nil {
		return err
	}
	var their hello
	if err := rlp.DecodeBytes(data, &their); err != nil {
		return err
	}
	conn.SetSnappy(true)
	return nil
}

// moduleVersion is go-ethereum's, from what the binary was built of.
func moduleVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/ethereum/go-ethereum" {
			return dep.Version
		}
	}
	return "?"
}
