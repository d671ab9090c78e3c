package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
)

// topics are those of gossipsub that we joined.
type topics struct {
	gossip *pubsub.PubSub
	out    *lines

	mu     sync.Mutex
	joined map[string]*pubsub.Topic
}

func newTopics(gossip *pubsub.PubSub, out *lines) *topics {
	return &topics{gossip: gossip, out: out, joined: map[string]*pubsub.Topic{}}
}

// ofTopics finds what does a command, or nil where it is none of gossipsub's.
func (n *node) ofTopics(cmd string) func(command) (object, error) {
	var handler func(*topics, command) (object, error)
	switch cmd {
	case "join":
		handler = (*topics).join
	case "publish":
		handler = (*topics).publish
	case "subscribers":
		handler = (*topics).subscribers
	default:
		return nil
	}
	return func(c command) (object, error) {
		if n.topics == nil {
			return nil, errors.New("no -pubsub")
		}
		return handler(n.topics, c)
	}
}

// join tells each message that others publish from now on.
func (t *topics) join(c command) (object, error) {
	topic, err := t.gossip.Join(c.Topic)
	if err != nil {
		return nil, err
	}
	subscription, err := topic.Subscribe()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.joined[c.Topic] = topic
	t.mu.Unlock()
	go func() {
		for {
			message, err := subscription.Next(context.Background())
			if err != nil {
				return
			}
			if message.Local {
				continue
			}
			t.out.event("published", object{
				"topic": c.Topic, "text": string(message.Data), "from": message.GetFrom().String(), "by": message.ReceivedFrom.String(),
			})
		}
	}()
	return nil, nil
}

func (t *topics) publish(c command) (object, error) {
	topic, err := t.find(c.Topic)
	if err != nil {
		return nil, err
	}
	return nil, topic.Publish(context.Background(), []byte(c.Text))
}

func (t *topics) subscribers(c command) (object, error) {
	topic, err := t.find(c.Topic)
	if err != nil {
		return nil, err
	}
	peers := []string{}
	for _, id := range topic.ListPeers() {
		peers = append(peers, id.String())
	}
	return object{"peers": peers}, nil
}

func (t *topics) find(name string) (*pubsub.Topic, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	topic, ok := t.joined[name]
	if !ok {
		return nil, fmt.Errorf("not joined: %q", name)
	}
	return topic, nil
}
