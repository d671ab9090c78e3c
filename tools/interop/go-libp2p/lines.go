package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// object is one JSON object of a line.
type object map[string]any

// command is one line of stdin. Which fields count depends on Cmd; README.md lists them.
type command struct {
	ID        uint64 `json:"id"`
	Cmd       string `json:"cmd"`
	Address   string `json:"address"`
	Peer      string `json:"peer"`
	Protocol  string `json:"protocol"`
	Size      int    `json:"size"`
	Seed      uint32 `json:"seed"`
	Key       string `json:"key"`
	Count     int    `json:"count"`
	Topic     string `json:"topic"`
	Text      string `json:"text"`
	TimeoutMs int    `json:"timeoutMs"`
}

// lines writes one JSON object a line to stdout, from any goroutine.
type lines struct {
	mu  sync.Mutex
	out *json.Encoder
}

func newLines() *lines { return &lines{out: json.NewEncoder(os.Stdout)} }

func (l *lines) write(line object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.out.Encode(line); err != nil {
		os.Exit(1) // nobody reads any more
	}
}

// event tells what happened, unasked.
func (l *lines) event(name string, fields object) {
	fields["event"] = name
	l.write(fields)
}

// reply answers the command with that id.
func (l *lines) reply(id uint64, fields object, err error) {
	if fields == nil {
		fields = object{}
	}
	if err != nil {
		fields["error"] = err.Error()
	}
	fields["reply"] = id
	l.write(fields)
}

// readCommands calls handle for each line of stdin until it ends. Commands run side by side: who needs an order awaits each reply.
func readCommands(handle func(command)) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<16), 1<<20)
	for in.Scan() {
		var c command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "not a command:", err)
			continue
		}
		go handle(c)
	}
}
