// Package layerlock serialises what is done to layers: one mutation of an id at
// a time, never beside a reader of it. It imports the standard library only.
package layerlock
