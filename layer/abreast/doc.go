// Package abreast does many small pieces of work side by side. It imports the
// standard library only.
package abreast
