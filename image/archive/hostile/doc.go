// Package hostile is a corpus of image archives that attack whoever loads
// them: links out of the tree, whiteouts of files that are not theirs, headers
// that grow for ever, manifests that point elsewhere. Each is made in code,
// says in one line what it tries and which vulnerability it is known from, and
// has a verdict: it is stored exactly as it is, or refused in one line.
// README.md lists them.
//
// The corpus is made with no tar library, since those would not write most of
// it, and may import nothing of this module. The tests beside it load all of it
// through the drivers that ship; e2e does so with the program, and measures.
package hostile
