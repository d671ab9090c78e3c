package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Lines of p2p.Server's log that tell what its events do not: who ended a connection, with which reason, and who was refused.
const (
	logRemoved       = "Removing p2p peer"
	logBadHandshake  = "Failed RLPx handshake"
	logBadHello      = "Failed p2p handshake"
	logWrongIdentity = "Wrong devp2p handshake identity"
	logRejected      = "Rejected peer"
)

var refusals = map[string]string{
	logBadHandshake:  "handshake",
	logBadHello:      "hello",
	logWrongIdentity: "identity",
	logRejected:      "admission",
}

// serverLog turns the server's log into events.
type serverLog struct {
	peers *peers
	attrs []slog.Attr
}

func newServerLog(ps *peers) slog.Handler { return &serverLog{peers: ps} }

func (s *serverLog) Enabled(context.Context, slog.Level) bool { return true }

func (s *serverLog) WithGroup(string) slog.Handler { return s }

func (s *serverLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &serverLog{s.peers, append(append([]slog.Attr{}, s.attrs...), attrs...)}
}

func (s *serverLog) Handle(_ context.Context, record slog.Record) error {
	stage, isRefusal := refusals[record.Message]
	if record.Message != logRemoved && !isRefusal {
		return nil
	}
	found := map[string]any{}
	for _, attr := range s.attrs {
		found[attr.Key] = attr.Value.Any()
	}
	record.Attrs(func(attr slog.Attr) bool {
		found[attr.Key] = attr.Value.Any()
		return true
	})
	err, _ := found["err"].(error)
	if isRefusal {
		s.peers.refused(stage, fmt.Sprint(found["conn"]), err)
		return nil
	}
	id, _ := found["id"].(enode.ID)
	requested, _ := found["req"].(bool)
	s.peers.dropped(id, requested, err)
	return nil
}
