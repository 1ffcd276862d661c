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
		{"TestABudgetOutlivesItsProcess", "hostile_budget_test.go", "closing and opening, a crash, and opening without a bound in between lose no count", Limit},
	}
}
