//go:build exact

package main

const exact = true
