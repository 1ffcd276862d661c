package hostile

// Scenario is an attack of several calls, which a test makes by itself.
type Scenario struct {
	Test string
	// Source is its file, beneath package host.
	Source  string
	Claim   string
	Verdict Verdict
}

// Scenarios are those.
func Scenarios() []Scenario {
	return []Scenario{
		{"TestALoopEndsAtTheDeadlineInEveryMethod", "hostile_test.go", "loops in every method at a time end together, and a lock that one holds is given back", Limit},
		{"TestALogFloodIsCutOff", "hostile_test.go", "of endless lines the log gets as much as it is to", Limit},
		{"TestNoRaceBetweenCallsLeadsOut", "hostile_race_test.go", "a name that another call swaps between a directory and a link leads nowhere outside, for seconds", Harmless},
		{"TestNothingButFilesAndDirectoriesIsOpened", "hostile_race_test.go", "fifos, sockets and devices in a layer are neither opened nor waited for", Harmless},
		{"TestAStreamThatNobodyServesEndsAtTheIdleLimit", "hostile_race_test.go", "a stream that nobody reads ends, and gives back what it held", Limit},
		{"TestNoCallBeginsWithAnIDThatIsNone", "stream_test.go", "ids with / or .. reach no driver", Invalid},
		{"TestADriverHasNoReservedName", "config_test.go", "no driver is called what something else beneath a root is", Invalid},
		{"TestADriverThatKeepsArchivesStoresLayersExactly", "transform_test.go", "what a driver gives as the archive of a layer is held against its digest", Corrupt},
		{"TestAFalseClaimOfExactDiffsIsNotBelieved", "transform_test.go", "a driver that claims to give back the very archives, and does not, loses none", Corrupt},
		{"TestABudgetOutlivesItsProcess", "hostile_budget_test.go", "closing and opening, a crash, and opening without a bound in between lose no count", Limit},
	}
}
