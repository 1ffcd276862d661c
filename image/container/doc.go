// Package container makes read-write layers of images, and images of
// read-write layers: what docker create and docker commit do, without a
// container that runs. (moby daemon/commit.go, daemon/images/image_commit.go,
// builder/dockerfile.BuildFromConfig.)
//
// A layer is made from an image or from none, and is the layer store's; which
// image it was is noted by the image store. An image that is made has the
// configuration of that image, changed by Dockerfile instructions, and one
// more step in its history. It may import image, layer and what these may.
package container
