package hostile

import (
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// malformed are no modules, or say that they have more than they bring.
func malformed() []Module {
	refuse := func(name, claim, says string, mk func() []byte) Module {
		return Module{Name: name, Claim: claim, Verdict: Invalid, Says: says, Make: mk}
	}
	whole := func() []byte { return driver(begin()).Bytes() }
	// says replaces a section by one that says it has n items.
	says := func(id byte, n uint32, rest ...byte) func() []byte {
		return func() []byte {
			body := append(assemble.Uleb(n), rest...)
			return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), []byte{id}, assemble.Uleb(uint32(len(body))), body)
		}
	}
	const cut = "cut short, or says that it has more than it brings"
	return []Module{
		refuse("empty", "a file without anything is no module", "not a WebAssembly module", func() []byte { return nil }),
		refuse("script", "nor is a script", "not a WebAssembly module", func() []byte { return []byte("#!/bin/sh\nrm -rf /\n") }),
		refuse("elf", "nor a program of the machine", "not a WebAssembly module", func() []byte { return []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00") }),
		refuse("component", "nor a component", "not a WebAssembly module", func() []byte { return []byte("\x00asm\x0d\x00\x01\x00") }),
		refuse("cut", "half a module is none", "cut short", func() []byte { b := whole(); return b[:len(b)/2] }),
		refuse("tail", "bytes behind the last section are refused", "section", func() []byte { return append(whole(), "and more"...) }),
		refuse("section-kind", "a section of a kind that there is not", "section of kind 99", func() []byte { return append(whole(), 99, 0) }),
		refuse("section-twice", "a section comes once", "section order", func() []byte { b := whole(); return append(b, b[8:]...) }),
		refuse("many-types", "2^32 types in no bytes take no memory", cut, says(1, math.MaxUint32)),
		refuse("many-functions", "nor 2^32 functions", cut, says(3, math.MaxUint32)),
		refuse("many-tables", "nor tables", cut, says(4, math.MaxUint32)),
		refuse("many-globals", "nor globals", cut, says(6, math.MaxUint32)),
		refuse("many-exports", "nor exports", cut, says(7, math.MaxUint32)),
		refuse("many-elements", "nor elements", cut, says(9, math.MaxUint32)),
		refuse("many-codes", "nor bodies", cut, says(10, math.MaxUint32)),
		refuse("many-data", "nor segments of data", cut, says(11, math.MaxUint32)),
		refuse("many-imports", "nor imports", "cut short", says(2, math.MaxUint32)),
		refuse("long-parameters", "a function of 2^32 parameters is refused", "parameters", says(1, 1, append([]byte{0x60}, assemble.Uleb(math.MaxUint32)...)...)),
		refuse("long-name", "a name of 4 GiB that is not there takes no memory", cut, says(7, 1, assemble.Uleb(math.MaxUint32)...)),
		refuse("long-data", "nor does data", cut, says(11, 1, append([]byte{0, 0x41, 0, 0x0b}, assemble.Uleb(math.MaxUint32)...)...)),
		refuse("long-element", "nor an element", cut, says(9, 1, append([]byte{0, 0x41, 0, 0x0b}, assemble.Uleb(math.MaxUint32)...)...)),
		refuse("type-behind-the-last", "nor a type that is none until another is added", "longer than what it has", says(1, 0, append([]byte{0x60, 0}, assemble.Uleb(math.MaxUint32)...)...)),
		refuse("results-behind-a-reference", "nor results after a type that is one byte to who counts bytes", "not known here",
			says(1, 1, slices.Concat([]byte{0x60, 2, 0x64, 0x70, 127}, assemble.Uleb(math.MaxUint32), slices.Repeat([]byte{assemble.I32}, 127))...)),
		refuse("data-behind-a-reference", "nor data after one", "not known here", says(11, 1, 0, 0xd0, 0x80, 0x41, 0x0b, 0xd2, 0x80, 0x80, 0x80, 0x08, 0x0b, 0)),
		refuse("many-variables", "a function of 2^32 variables is refused", "variables", func() []byte {
			m := begin()
			m.Raw(nil, nil, slices.Concat([]byte{1}, assemble.Uleb(math.MaxUint32), []byte{assemble.I64, 0x0b}))
			return driver(m).Bytes()
		}),
		refuse("untyped-code", "code that does not fit its type is refused", "", func() []byte {
			m := begin()
			m.Method(abi.ExportGet)
			return driver(m, abi.ExportGet).Bytes()
		}),
		refuse("unknown-code", "code that is none is refused", "", func() []byte {
			m := begin()
			m.Method(abi.ExportGet, []byte{0xff})
			return driver(m, abi.ExportGet).Bytes()
		}),
		refuse("call-beyond", "a call of a function that is not there is refused", "", func() []byte {
			m := begin()
			m.Method(abi.ExportGet, assemble.Call(1<<20))
			return driver(m, abi.ExportGet).Bytes()
		}),
		refuse("start-beyond", "so is a start that is not there", "", func() []byte { m := driver(begin()); m.Start = 1 << 20; return m.Bytes() }),
		refuse("start-typed", "and one that returns something", "", func() []byte { m := driver(begin()); m.Start = 1; return m.Bytes() }),
		{Name: "data-beyond", Claim: "data beyond the memory is not written", Verdict: Failed, Says: "out of bounds", Make: func() []byte {
			m := driver(begin())
			m.Data = append(m.Data, assemble.Segment{At: -4, Bytes: []byte("beyond")})
			return m.Bytes()
		}},
	}
}
