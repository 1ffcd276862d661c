//go:build !liar

package main

const liar = false
