//go:build liar

package main

const liar = true
