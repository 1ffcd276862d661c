// Package layertar reads the tar archive of an image layer once, as entries:
// what each asks a driver to do, with whiteouts recognised and paths cleaned.
// The same pass can feed tar-split (Tap), so that no byte is parsed twice.
//
// Whatever could not be exported again byte for byte is refused here, before
// anything is written: sparse files, payloads that no file would hold, paths
// that leave the tree. It may import nothing of this module.
package layertar
