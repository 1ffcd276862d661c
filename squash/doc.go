// Package squash makes an image whose layers are those of a parent and one
// more, which holds all that the layers between changed. (moby
// daemon.SquashImage, which is behind docker build --squash.)
//
// What is compared are the two trees, with the content of files where times
// and sizes agree: what was made and removed again on the way is not in the
// new layer, what was changed without a trace in its metadata is. It may
// import image, layer and what these may.
package squash
