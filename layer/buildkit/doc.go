// Package buildkit knows what the builder of Docker's, BuildKit, keeps in a
// graph driver and in the layer store beside images and containers: it asks
// the database in which that notes it, and writes nothing. It imports
// layer/bolt.
//
// (moby builder/builder-next/adapters/snapshot/{snapshot,layer}.go, the same
// from 18.06 to 28.)
package buildkit
