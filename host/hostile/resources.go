package hostile

func resources() []Case {
	at := func(via, attack, claim string, v Verdict, says string) Case {
		return Case{attack, []string{via}, claim, v, says}
	}
	return []Case{
		{"panic", Methods(), "a panic fails the call only", Failed, "a hostile panic"},
		{"exit", Methods(), "an exit fails the call, whatever its status", Failed, "exit"},
		{"memory", []string{"create", "diff"}, "memory ends at its limit, which is named", Limit, "limits.memory"},
		at("exists", "overflow", "endless recursion ends", Refused, ""),
		create("bases", "bases count as open files", Limit, "limits.open-files"),
		{"files", []string{"create", "exists"}, "open files are bounded", Limit, "limits.open-files"},
		create("locks", "locks count as open files", Limit, "limits.open-files"),
		create("log", "a flood of lines is dropped", Limit, ""),
		create("log-levels", "there are four levels", Invalid, ""),
		create("print", "a flood of output is dropped", Harmless, ""),
		at("exists", "request", "a request that makes the host keep much is refused", Limit, "request"),
	}
}

// Loops never return; each ends at the deadline.
func Loops() []Case {
	const says = "reached; raise the limits.deadline"
	return []Case{
		{"loop", Methods(), "a loop ends at the deadline", Limit, says},
		create("loop-imports", "so does one of imports", Limit, says),
		create("loop-files", "and one of file calls", Limit, says),
		{"drip", []string{"diff"}, "and one that hands a byte over now and then", Limit, says},
	}
}
