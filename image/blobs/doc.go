// Package blobs keeps layers as registries and archives have them, compressed:
// for as long as a transfer takes, so that one that broke off goes on where it
// was; and, if that is asked for, for good, so that what is pushed is what was
// pulled.
//
// All of it lies beneath <root>/bulkhead/blobs and is a hint: files are named
// by their digests and are held to them by whoever reads them, and that one is
// gone costs a download, or a digest of a push, and nothing else.
//
//	partial/<algorithm>/<hex>  what is being downloaded, locked meanwhile (flock)
//	kept/<algorithm>/<hex>     what is kept
//	manifests/<image ID>       the manifest by which an image came or went, and
//	                           the repositories that have its layers
//
// It may import image/internal and nothing else of this module.
package blobs
