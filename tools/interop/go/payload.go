package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// payload makes size bytes from seed: xorshift32 (13, 17, 5), each state as four bytes, little-endian, the last cut off. Seed 0 counts as
// 0x9e3779b9, since zero is xorshift's fixed point. src/payload.ts makes the same.
func payload(seed uint32, size int) []byte {
	state := seed
	if state == 0 {
		state = 0x9e3779b9
	}
	out := make([]byte, (size+3)&^3)
	for at := 0; at < size; at += 4 {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		binary.LittleEndian.PutUint32(out[at:], state)
	}
	return out[:size]
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
