package hostile

// Budgets are made with limits.blocks and limits.inodes set low. After each the
// count is what lies there, and what is removed is credited.
func Budgets() []Case {
	const blocks, inodes = "limits.blocks", "limits.inodes"
	return []Case{
		create("budget-write", "bytes end at the bound", Limit, blocks),
		create("budget-append", "also at the end of a file", Limit, blocks),
		create("budget-append-at", "whatever the offset that is given", Limit, blocks),
		create("budget-sparse", "a file of 2^62 bytes without any counts as long as it is", Limit, blocks),
		create("budget-far", "so does one byte far out", Limit, blocks),
		create("budget-many-small", "a million files of one byte are a million blocks", Limit, blocks),
		create("budget-files", "a million empty ones are a million names", Limit, inodes),
		create("budget-dirs", "directories count", Limit, "limits."),
		create("budget-symlinks", "symbolic links count", Limit, "limits."),
		create("budget-nodes", "nodes count", Limit, inodes),
		create("budget-links", "further names of a file count", Limit, inodes),
		create("budget-copies", "copies count", Limit, "limits."),
		create("budget-deleted", "what is open counts, whether it has a name or not", Limit, blocks),
		create("budget-scratch", "scratch counts", Limit, blocks),
		create("budget-scratch-files", "its names too", Limit, inodes),
		{"budget-apply", []string{"apply_diff"}, "what an archive brings counts", Limit, blocks},
		create("budget-credit", "cutting, replacing and removing in turn earns nothing", Harmless, ""),
		create("budget-attributes", "attributes are bounded by the file, here or by its file system", Refused, ""),
	}
}
