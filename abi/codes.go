package abi

import "strconv"

// Code is what an export returns and what an import answers: 0 is success,
// negative values are this closed list, positive ones are reserved (exports)
// or lengths (imports). The list is fixed for ever.
type Code int32

const (
	OK             Code = 0
	NotFound       Code = -1
	Exists         Code = -2
	Busy           Code = -3
	NotSupported   Code = -4
	UseNaive       Code = -5
	Prerequisites  Code = -6
	IncompatibleFS Code = -7
	Denied         Code = -8
	Limit          Code = -9
	NoSpace        Code = -10
	Corrupt        Code = -11
	Canceled       Code = -12
	Invalid        Code = -13
	BadOrder       Code = -14
	IO             Code = -15
)

var codeNames = [...]string{
	"ok", "not found", "exists", "busy", "not supported", "use naive diff",
	"prerequisites not satisfied", "incompatible file system", "denied",
	"limit reached", "no space", "corrupt", "canceled", "invalid",
	"locks out of order", "input/output error",
}

// Known reports whether c is in the closed list.
func (c Code) Known() bool { return c <= 0 && int(-c) < len(codeNames) }

// Error makes a Code usable as a Go error on both sides of the border.
func (c Code) Error() string {
	if !c.Known() {
		return "code " + strconv.Itoa(int(c)) + " (unknown)"
	}
	return codeNames[-c]
}
