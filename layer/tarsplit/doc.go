// Package tarsplit writes and reads tar-split data, one JSON object a line,
// without reflection: a layer of many files has two such lines for each of
// them, and encoding/json was what most of their cost went into.
//
// What it writes is, byte for byte, what tar-split's storage.NewJSONPacker
// writes, and so what moby keeps in tar-split.json.gz. What it reads is
// whatever storage.NewJSONUnpacker reads, with the same entries and errors:
// a line in the form that all known writers give it is scanned directly, and
// from the first other one on encoding/json takes over. Only an entry longer
// than MaxEntry is refused. The types are tar-split's.
package tarsplit
