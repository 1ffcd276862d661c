// Package repair mends what image/check finds in the stores beneath a root:
// by itself where what is left tells what was there, else from a source. It
// imports image, image/check and layer, and knows no kind of source.
package repair
