package hostile

// Case is one attack of the guest. The driver makes it when it is asked about
// a layer called x.<Attack>.
type Case struct {
	Attack string
	// Via are the methods that it is made in, each in a call of its own.
	Via []string
	// Claim is what it is to show.
	Claim   string
	Verdict Verdict
	// Says is what the error tells beside the driver and the method.
	Says string
}

// Group is cases that are run one after the other, in this order.
type Group struct {
	Name string
	// Source is the file of the attacks, beneath this package.
	Source string
	Cases  []Case
}

// Groups are all attacks that one driver makes in turn.
func Groups() []Group {
	return []Group{
		{"Paths", "guest/escape_wasip1.go", paths()},
		{"Committed layers and powers", "guest/seals_wasip1.go", seals()},
		{"Resources", "guest/protocol_wasip1.go", resources()},
		{"The protocol of a call", "guest/protocol_wasip1.go", protocol()},
		{"Handles, stacks and listings", "guest/handles_wasip1.go", handles()},
		{"Trees and the home itself", "guest/trees_wasip1.go", trees()},
		{"Archives and output", "guest/streams_wasip1.go", streams()},
		{"Repairs", "guest/repair_wasip1.go", repairs()},
		{"Lies", "guest/protocol_wasip1.go", lies()},
	}
}

// Methods are those that an attack can be made in.
func Methods() []string {
	return []string{
		"create", "create_read_write", "remove", "get", "put", "exists", "status", "get_metadata", "cleanup",
		"diff", "changes", "apply_diff", "diff_size", "diff_getter", "repair",
	}
}

// create makes a case of create.
func create(attack, claim string, v Verdict, says string) Case {
	return Case{attack, []string{"create"}, claim, v, says}
}
