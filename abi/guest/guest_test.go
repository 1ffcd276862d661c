package guest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
)

// bare is a Driver and nothing more; each test sets what it calls.
type bare struct {
	create func(c *Call) error
	exists bool
	pairs  []Pair
}

func (b bare) Info() Info {
	return Info{Name: "bare", Version: "2", DiskFormat: 3, Capabilities: abi.CapDiffIndependentOfParent | abi.CapDeltas, Grants: []string{"chown"}, StorageOptions: []string{"k"}}
}
func (b bare) Create(c *Call) error              { return b.create(c) }
func (b bare) CreateReadWrite(c *Call) error     { return b.create(c) }
func (bare) Remove(*Call) error                  { return nil }
func (bare) Get(c *Call) (Spec, error)           { return Dir("x/" + c.ID), nil }
func (bare) Put(*Call) error                     { return nil }
func (b bare) Exists(*Call) (bool, error)        { return b.exists, nil }
func (b bare) Status(*Call) ([]Pair, error)      { return b.pairs, nil }
func (b bare) GetMetadata(*Call) ([]Pair, error) { return b.pairs, nil }
func (bare) Cleanup(*Call) error                 { return nil }

// full has everything optional too.
type full struct {
	bare
	do func(c *Call) error
}

func (f full) Setup(c *Call) error                { return f.do(c) }
func (f full) Configure(c *Call) error            { return f.do(c) }
func (f full) Diff(c *Call) error                 { return f.do(c) }
func (f full) Changes(c *Call) error              { return f.do(c) }
func (f full) ApplyDiff(c *Call) error            { return f.do(c) }
func (f full) ReadFile(c *Call) error             { return f.do(c) }
func (f full) Repair(c *Call) error               { return f.do(c) }
func (f full) DiffSize(c *Call) (int64, error)    { return 77, f.do(c) }
func (f full) DiffGetter(c *Call) (string, error) { return "base", f.do(c) }

func fields(t *testing.T, b []byte) map[uint16]string {
	t.Helper()
	m := map[uint16]string{}
	for len(b) > 0 {
		rec, rest, ok, _ := abi.Next(b)
		f, ok2 := abi.ParseField(rec)
		if !ok || !ok2 {
			t.Fatalf("% x", b)
		}
		m[f.Tag] += fmt.Sprintf("%q", f.Value)
		b = rest
	}
	return m
}

func TestDescribeTellsWhatADriverHas(t *testing.T) {
	for name, test := range map[string]struct {
		d    Driver
		bits uint64
	}{"bare": {bare{}, 0}, "full": {full{}, 1<<abi.MethodCount - 1}} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			if code := NewInstance(test.d).Run(f, abi.MethodDescribe); code != 0 {
				t.Fatal(code)
			}
			got := fields(t, f.results[0])
			if got[abi.FieldDriverName] != `"bare"` || got[abi.FieldDriverVersion] != `"2"` || got[abi.FieldGrant] != `"chown"` {
				t.Errorf("%v", got)
			}
			want := uint64(1) << abi.MethodDescribe
			for _, m := range abi.ProtoMethods() {
				want |= 1 << m
			}
			if name == "full" {
				want = test.bits
			}
			if got[abi.FieldMethods] != fmt.Sprintf("%q", u64(want)) {
				t.Errorf("methods %s", got[abi.FieldMethods])
			}
		})
	}
}

func u64(v uint64) []byte {
	var b []byte
	for range 8 {
		b = append(b, byte(v))
		v >>= 8
	}
	return b
}

func TestMethodsADriverLacksAreNotSupported(t *testing.T) {
	for _, m := range []abi.Method{abi.MethodSetup, abi.MethodDiff, abi.MethodApplyDiff, abi.MethodReadFile} {
		if code := NewInstance(bare{}).Run(&fake{}, m); code != int32(abi.NotSupported) {
			t.Errorf("%s: %d", m, code)
		}
	}
}

func TestArgumentsAreParsed(t *testing.T) {
	var got Call
	b := abi.AppendFieldString(nil, abi.FieldID, "id")
	b = abi.AppendFieldString(b, abi.FieldParent, "up")
	b = abi.AppendFieldString(b, abi.FieldMountLabel, "label")
	b = abi.AppendFieldPair(b, abi.FieldOption, "k", "v")
	b = abi.AppendFieldPair(b, abi.FieldFact, "fs", "ext4")
	b = abi.AppendFieldTime(b, abi.FieldCreated, 5, 6)
	b = abi.AppendFieldIDMap(b, true, 1, 2, 3)
	b = abi.AppendFieldU64(b, abi.FieldFeature, 9)
	b = abi.AppendField(b, 999, []byte("from a later version"))
	b = append(b, abi.AppendChange(nil, abi.Change{})...)
	f := &fake{args: append(b, abi.AppendField(nil, 999, make([]byte, 70_000-10_000))...)}
	f.args = append(f.args, abi.AppendField(nil, 998, make([]byte, 60_000))...) // beyond the first buffer
	if code := run(t, f, abi.MethodSetup, func(c *Call) error { got = *c; return nil }); code != 0 {
		t.Fatal(code)
	}
	if got.ID != "id" || got.Parent != "up" || got.MountLabel != "label" || got.Options[0] != (Pair{"k", "v"}) ||
		got.Facts[0] != (Pair{"fs", "ext4"}) || got.Created != (Created{5, 6, true}) || got.IDMaps[0] != (IDMap{true, 1, 2, 3}) || got.HostFeatures != 9 {
		t.Errorf("%+v", got)
	}
}

func TestErrorsBecomeCodesAndReasons(t *testing.T) {
	for name, test := range map[string]struct {
		err  func(c *Call) error
		code abi.Code
		said string
	}{
		"code":    {func(*Call) error { return abi.NoSpace }, abi.NoSpace, ""},
		"wrapped": {func(*Call) error { return fmt.Errorf("index %d: %w", 4, abi.Corrupt) }, abi.Corrupt, "corrupt||index 4: corrupt"},
		"other":   {func(*Call) error { return errors.New("odd") }, abi.IO, "input/output error||odd"},
		"fail":    {func(c *Call) error { return c.Fail(abi.NotSupported, "size", "no quota") }, abi.NotSupported, "not supported|size|no quota"},
		"fail, wrapped": {func(c *Call) error { return fmt.Errorf("more: %w", c.Fail(abi.Invalid, "s", "why")) },
			abi.Invalid, "invalid|s|why"},
	} {
		f := &fake{}
		if code := NewInstance(bare{create: test.err}).Run(f, abi.MethodCreate); code != int32(test.code) || f.said != test.said {
			t.Errorf("%s: %d %q", name, code, f.said)
		}
	}
}

func TestResultsAreHandedOver(t *testing.T) {
	d := full{bare: bare{exists: true, pairs: []Pair{{"a", "1"}, {"b", ""}}}, do: func(*Call) error { return nil }}
	in := NewInstance(d)
	for m, want := range map[abi.Method]string{
		abi.MethodExists:      fmt.Sprint(map[uint16]string{abi.FieldExists: `"\x01\x00\x00\x00"`}),
		abi.MethodStatus:      fmt.Sprint(map[uint16]string{abi.FieldPair: `"a\x001""b\x00"`}),
		abi.MethodGetMetadata: fmt.Sprint(map[uint16]string{abi.FieldPair: `"a\x001""b\x00"`}),
		abi.MethodGet:         fmt.Sprint(map[uint16]string{abi.FieldSpec: `"\x01\x00\x00\x00\x00\x00\x00\x00x/c1"`}),
		abi.MethodDiffSize:    fmt.Sprint(map[uint16]string{abi.FieldSize: `"M\x00\x00\x00\x00\x00\x00\x00"`}),
		abi.MethodDiffGetter:  fmt.Sprint(map[uint16]string{abi.FieldBase: `"base"`}),
	} {
		f := &fake{args: abi.AppendFieldString(nil, abi.FieldID, "c1")}
		if code := in.Run(f, m); code != 0 || len(f.results) != 1 {
			t.Errorf("%s: %d, %d results", m, code, len(f.results))
			continue
		}
		if got := fmt.Sprint(fields(t, f.results[0])); got != want {
			t.Errorf("%s: %s, want %s", m, got, want)
		}
	}
	f := &fake{fail: map[string]abi.Code{abi.ImportResult: abi.BadOrder}}
	if code := in.Run(f, abi.MethodExists); code != int32(abi.BadOrder) {
		t.Errorf("a refused result: %d", code)
	}
}

func batchOf(from, n int) []byte {
	var b []byte
	for i := range n {
		b = abi.AppendEntry(b, &abi.Entry{Index: uint64(from + i), Kind: abi.EntryFile, Path: fmt.Appendf(nil, "f%d", from+i)})
	}
	return b
}

func run(t *testing.T, f *fake, m abi.Method, do func(c *Call) error) int32 {
	t.Helper()
	return NewInstance(full{do: do}).Run(f, m)
}

func TestDecisionsGoInRuns(t *testing.T) {
	f := &fake{entries: [][]byte{batchOf(0, 500), batchOf(500, 500)}}
	code := run(t, f, abi.MethodApplyDiff, func(c *Call) error {
		e := c.Entries()
		for e.Next() {
			switch {
			case e.Index == 7:
				e.Skip()
			case bytes.Equal(e.Path, []byte("f600")):
				e.ApplyAt(9, []byte("elsewhere"))
			default:
				e.Apply(9)
			}
		}
		return e.Err()
	})
	if code != 0 {
		t.Fatal(code)
	}
	want := "[{1 0 7 0 9 } {2 0 1 7 0 } {1 0 492 8 9 } {1 0 100 500 9 } {1 0 1 600 9 elsewhere} {1 0 399 601 9 }]"
	var got []string
	for _, a := range f.actions {
		got = append(got, fmt.Sprintf("{%d 0 %d %d %d %s}", a.Act, a.Count, a.First, a.Base, a.Path))
	}
	if s := "[" + strings.Join(got, " ") + "]"; s != want {
		t.Errorf("\n got %s\nwant %s", s, want)
	}
	if f.crossings != 5 {
		t.Errorf("%d crossings for two batches", f.crossings)
	}
}

func TestManyDecisionsAreSplit(t *testing.T) {
	f := &fake{entries: [][]byte{batchOf(0, 900)}}
	long := bytes.Repeat([]byte("p"), 1000)
	code := run(t, f, abi.MethodApplyDiff, func(c *Call) error {
		e := c.Entries()
		for e.Next() {
			e.ApplyAt(9, long)
		}
		return e.Err()
	})
	if code != 0 || len(f.actions) != 900 {
		t.Errorf("%d, %d actions", code, len(f.actions))
	}
}

func TestEntriesReportFailures(t *testing.T) {
	all := func(c *Call) error {
		e := c.Entries()
		for e.Next() {
			e.Apply(0)
		}
		return e.Err()
	}
	for name, f := range map[string]*fake{
		"source":  {entries: [][]byte{batchOf(0, 2)}, fail: map[string]abi.Code{abi.ImportEntriesNext: abi.Corrupt}},
		"action":  {entries: [][]byte{batchOf(0, 2)}, fail: map[string]abi.Code{abi.ImportActions: abi.Corrupt}},
		"garbage": {entries: [][]byte{{1, 2, 3}}},
	} {
		want := int32(abi.Corrupt)
		if name == "garbage" {
			want = int32(abi.Invalid)
		}
		if code := run(t, f, abi.MethodApplyDiff, all); code != want {
			t.Errorf("%s: %d", name, code)
		}
	}
}

func TestLongAttributesArePulled(t *testing.T) {
	f := &fake{entries: [][]byte{batchOf(0, 1)}}
	code := run(t, f, abi.MethodApplyDiff, func(c *Call) error {
		e := c.Entries()
		for e.Next() {
			a, err := e.Attr(0)
			if err != nil || string(a.Name) != "user.big" || len(a.Value) != 100_000 {
				t.Errorf("%s %d %v", a.Name, len(a.Value), err)
			}
			e.Skip()
		}
		return e.Err()
	})
	if code != 0 {
		t.Error(code)
	}
}

type visit struct{ out []string }

func (v *visit) Begin(tag uint64, code abi.Code) error {
	v.out = append(v.out, fmt.Sprintf("<%d %d", tag, code))
	return nil
}
func (v *visit) Names(tag uint64, names []abi.Name) error {
	for _, n := range names {
		v.out = append(v.out, fmt.Sprintf("%d/%s", tag, n.Name))
	}
	return nil
}
func (v *visit) End(tag uint64, code abi.Code) error {
	v.out = append(v.out, fmt.Sprintf("%d>", tag))
	return nil
}

func TestListingsGoOnOverManyAnswers(t *testing.T) {
	f := &fake{trees: map[string][]string{"": {"a", "b"}, "a": {}, "b": {"x", "y", "z"}}}
	v := &visit{}
	code := run(t, f, abi.MethodChanges, func(c *Call) error {
		l := c.Listing()
		for i, p := range []string{"", "a", "b", "gone"} {
			l.Add(uint64(i), 4, []byte(p), abi.ListAttrs)
		}
		if err := l.Run(v); err != nil {
			return err
		}
		v.out = append(v.out, "again")
		l.Add(9, 4, []byte("a"), 0)
		return l.Run(v)
	})
	want := "<0 0 0/a 0/b 0> <1 0 1> <2 0 2/x 2/y 2/z 2> <3 -1 3> again <9 0 9>"
	if got := strings.Join(v.out, " "); code != 0 || got != want {
		t.Errorf("%d\n got %s\nwant %s", code, got, want)
	}
}

func TestContentsAreComparedInBatches(t *testing.T) {
	f := &fake{}
	var paths [][]byte
	for i := range 3000 {
		paths = append(paths, fmt.Appendf(nil, "%c%d", "=#"[i%2], i))
	}
	equal := make([]bool, len(paths))
	code := run(t, f, abi.MethodChanges, func(c *Call) error { return c.FilesEqual(1, 2, paths, equal) })
	for i, eq := range equal {
		if eq != (i%2 == 0) {
			t.Fatalf("%d: %v", i, eq)
		}
	}
	if code != 0 || f.crossings > len(paths)/50 {
		t.Errorf("%d, %d crossings", code, f.crossings)
	}
}

func TestEmitsGoInBatches(t *testing.T) {
	f := &fake{}
	code := run(t, f, abi.MethodDiff, func(c *Call) error {
		for i := range 5000 {
			if err := c.Emit(3, fmt.Appendf(nil, "f%d", i)); err != nil {
				return err
			}
		}
		parts := [][]byte{[]byte("con"), []byte("tent"), nil}
		if err := c.EmitOwn(3, []byte("blob"), []byte("name"), func() ([]byte, error) {
			p := parts[0]
			parts = parts[1:]
			return p, nil
		}); err != nil {
			return err
		}
		return c.EmitWhiteout([]byte("gone"))
	})
	if code != 0 || len(f.emits) != 5002 || f.crossings > 100 || string(f.written) != "content" {
		t.Errorf("%d: %d emits in %d crossings, wrote %q", code, len(f.emits), f.crossings, f.written)
	}
	if e := f.emits[5000]; e.Flags != abi.EmitOwnContent || string(e.Path) != "blob" || string(e.Name) != "name" {
		t.Errorf("%+v", e)
	}
	if e := f.emits[5001]; e.Kind != abi.EmitWhiteout || string(e.Name) != "gone" || e.Base != 0 {
		t.Errorf("%+v", e)
	}
	f = &fake{fail: map[string]abi.Code{abi.ImportDiffEmit: abi.Canceled}}
	if code := run(t, f, abi.MethodDiff, func(c *Call) error { return c.Emit(3, []byte("f")) }); code != int32(abi.Canceled) {
		t.Errorf("a refused last batch: %d", code)
	}
	f = &fake{}
	if code := run(t, f, abi.MethodChanges, func(c *Call) error { return c.Change(abi.ChangeDeleted, []byte("p")) }); code != 0 || len(f.changes) != 1 {
		t.Errorf("%d %v", code, f.changes)
	}
	// What a driver that fails had not sent yet stays unsent.
	f = &fake{}
	if code := run(t, f, abi.MethodDiff, func(c *Call) error { _ = c.Emit(3, []byte("f")); return abi.UseNaive }); code != int32(abi.UseNaive) || len(f.emits) != 0 {
		t.Errorf("%d, %d emits", code, len(f.emits))
	}
}

func TestTreesAndLocks(t *testing.T) {
	f := &fake{dirs: map[string]bool{}, xattrs: append(abi.AppendAttr(nil, "user.a", ""), abi.AppendAttr(nil, "user.b", "")...)}
	code := run(t, f, abi.MethodSetup, func(c *Call) error {
		if err := c.Lock("a", false); err != nil {
			return err
		}
		if err := c.Lock("b", true); err != nil {
			return err
		}
		for range 2 {
			if err := c.MakeDirAll(0, "x/y/z", 0o700); err != nil {
				return err
			}
		}
		if ok, err := c.DirExists("x/y"); !ok || err != nil {
			t.Errorf("%v %v", ok, err)
		}
		if ok, err := c.DirExists("y"); ok || err != nil {
			t.Errorf("%v %v", ok, err)
		}
		if names, err := c.Xattrs(0, "x"); err != nil || strings.Join(names, " ") != "user.a user.b" {
			t.Errorf("%v %v", names, err)
		}
		if err := c.TreeRemove(0, "nothing"); err != nil {
			t.Error(err)
		}
		return c.TreeCopy(0, "nothing", 0, "x/w")
	})
	if code != int32(abi.NotFound) || strings.Join(f.locked, " ") != "ar bw" {
		t.Errorf("%d %v", code, f.locked)
	}
	f = &fake{fail: map[string]abi.Code{abi.ImportBaseOpen: abi.IO}}
	if code := run(t, f, abi.MethodSetup, func(c *Call) error { _, err := c.DirExists("x"); return err }); code != int32(abi.IO) {
		t.Errorf("an error is not a no: %d", code)
	}
}

func TestTheHotLoopAllocatesNothing(t *testing.T) {
	in := NewInstance(full{do: func(c *Call) error {
		e := c.Entries()
		for e.Next() {
			e.Apply(1)
		}
		return e.Err()
	}})
	batch := batchOf(0, 700)
	per := func(n int) float64 {
		return testing.AllocsPerRun(10, func() {
			f := &count{batches: n, batch: batch}
			in.Run(f, abi.MethodApplyDiff)
		})
	}
	if a, b := per(1), per(50); b > a {
		t.Errorf("%v allocations for one batch, %v for fifty", a, b)
	}
}

// count is a host that does nothing but hand out one batch many times.
type count struct {
	Host
	batches int
	batch   []byte
}

func (*count) CallArgs([]byte) int32 { return 0 }
func (*count) Actions([]byte) int32  { return 0 }
func (c *count) EntriesNext(b []byte) int32 {
	if c.batches--; c.batches < 0 {
		return 0
	}
	return int32(copy(b, c.batch))
}
