// Package treediff finds what differs between two trees from listings of
// their directories. It reads nothing itself: a Source lists directories and
// compares contents, many per request, so that the same code serves a native
// driver and a guest whose every question crosses a border.
//
// It imports the standard library only and compiles to wasip1.
package treediff
