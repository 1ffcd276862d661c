package layer

// The steps that Options.Step is told of, in order. Between any two the
// process may end without harm.
const (
	stepJournaled     = "journaled"       // the intent is durable
	stepCreated       = "created"         // the driver knows the layer
	stepApplied       = "applied"         // the driver holds its tree
	stepWritten       = "written"         // its files are in the transaction
	stepDataSynced    = "data-synced"     // the trees are durable
	stepTxSynced      = "tx-synced"       // the transaction is durable
	stepRenamed       = "renamed"         // the layer can be seen
	stepPublished     = "published"       // and that is durable
	stepForgotten     = "journal-cleared" // the intent is gone
	stepRemoveRenamed = "remove-renamed"  // the removal is durable
	stepRemoveTree    = "remove-tree"     // the driver's part is done
	stepRemoved       = "removed"         // all of it
	stepRecovered     = "recovered"       // Open has finished what was left undone
	stepDiscarded     = "discarded"       // a failed layer's tree is gone, its intent not yet

	// Of read-write layers.
	stepRWJournaled       = "rw-journaled"        // the intents are durable
	stepRWInit            = "rw-init"             // the init layer is filled
	stepRWCreated         = "rw-created"          // the driver knows the layer
	stepRWSynced          = "rw-synced"           // the trees and the transaction are durable
	stepRWRenamed         = "rw-renamed"          // the layer can be seen
	stepRWPublished       = "rw-published"        // and that is durable
	stepRWRemoveJournaled = "rw-remove-journaled" // the intents to remove it are durable
	stepRWRemoveRenamed   = "rw-remove-renamed"   // it cannot be seen any more, durably
	stepRWRemoved         = "rw-removed"          // the driver's part is done
)

// steps lists all of them.
var steps = [...]string{
	stepJournaled, stepCreated, stepApplied, stepWritten, stepDataSynced, stepTxSynced, stepRenamed,
	stepPublished, stepForgotten, stepRemoveRenamed, stepRemoveTree, stepRemoved, stepRecovered, stepDiscarded,
	stepRWJournaled, stepRWInit, stepRWCreated, stepRWSynced, stepRWRenamed, stepRWPublished,
	stepRWRemoveJournaled, stepRWRemoveRenamed, stepRWRemoved,
}
