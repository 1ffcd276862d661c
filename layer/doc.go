// Package layer is the store of layers: moby's layerdb on disk, the trees in
// a graph driver, the exact archive of a read-only layer kept by tar-split.
//
// What it promises: a layer is registered whole or not at all, survives a
// crash once registered, and comes out byte for byte as it went in, or with
// an error. It may import graphdriver and layertar, and never host.
//
// On disk, beneath the root:
//
//	image/<driver>/layerdb/         moby's, to the letter
//	  sha256/<chain>/               diff, parent, size, cache-id, tar-split.json.gz, descriptor.json
//	  sha256/<chain>-*-removing/    a removal that has begun
//	  tmp/bulkhead-<cache id>/      a layer that is not committed
//	  mounts/<name>/                a container's read-write layer: mount-id, init-id, parent
//	bulkhead/<driver>/              ours
//	  journal/<cache id>            a layer that may be nobody's: begun, or not yet used, or given up
//	  set-aside/<chain>-*/          an unusable directory whose place was needed
//	  undo/<id>/                    what a repair replaced; a damaged tree is the driver's layer <id>
//
// A layer is made in this order: journal entry, durable; the driver's layer
// and tree; the files in tmp; one sync of the driver's file system for all
// layers of a session; then for each, parents first, its files synced, its
// directory renamed into sha256, sha256 synced; when the layers have come to
// be used, the journal entries removed. So whatever a crash leaves is found
// again: a layer in use, or an id in the journal (by Open, where the layer is
// not committed, else by Settle), and nothing that is not in the journal is
// ever cleared away.
//
// A layer that is being unpacked is known by its chain ID: another session that
// registers it waits for it and shares it, and one that registers a layer on top
// may begin meanwhile where the driver is independent of the parent. Whoever
// shares a layer may commit it; the last who gives up removes it.
//
// A repair (Mend) makes what it puts into a layer's place as a layer of its
// own, by the same journal, and proves it. Then undo/<id> is durable, then the
// journal entry goes, then the two trees are exchanged, then files one by one,
// each in one step, the one that makes the directory a layer last. So a crash
// leaves the damaged tree under its own ID or under that of the undo, and what
// a repair made in the journal, in the undo or in the layer.
//
// A read-write layer is made the same way, by itself: its entries and its
// init layer's, the driver's layers, the files in tmp, a sync, the rename into
// mounts. It is removed the same way backwards, the rename back into tmp
// first. Its name is what uses it, and it keeps its parent.
package layer
