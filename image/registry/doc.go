// Package registry brings images in from registries and takes them there.
//
// To the rest of the program a repository is an archive (input.Archive): what
// it says of its images is planned, checked and stored by image/archive as if
// it lay in a file. What is here is the way there: which servers to ask, in
// which order, with which credentials, how often, how long, and where a blob
// goes on that broke off.
//
// A registry is trusted with nothing. Everything it sends is bounded in length
// and in time, and is what a digest says or is not used; no credentials go to
// another host than the one they are for, or the one that it names to issue
// tokens; it cannot send us to addresses of this machine or of its network link.
//
// The handshake (which challenge, tokens and their renewal) and docker's
// credential files are go-containerregistry's. It may import image,
// image/archive, image/blobs, image/input and image/refs.
package registry
