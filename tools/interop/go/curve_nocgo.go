//go:build !cgo

package main

// curveName tells which secp256k1 go-ethereum was built with.
const curveName = "decred (pure Go)"
