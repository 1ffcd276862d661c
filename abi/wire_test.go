package abi

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// one splits the only record off b.
func one(t *testing.T, b []byte) Record {
	t.Helper()
	rec, rest, ok, code := Next(b)
	if !ok || code != OK || len(rest) != 0 || len(b)%8 != 0 {
		t.Fatalf("% x is not one record: %v %v", b, ok, code)
	}
	return rec
}

func TestRecordsComeBackAsTheyWent(t *testing.T) {
	long := []byte(strings.Repeat("p", MaxPath))
	for _, n := range []int{0, 1, 7, 8, 9} {
		path := []byte("12345678x"[:n])
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			check := func(got, want any, ok bool) {
				t.Helper()
				if !ok || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			}
			entry := Entry{EntryLarge, 1 << 40, 2 << 40, -3, 4, 5, 6, 7, 8, 9, EntryHardlink, 11, path, long}
			e, ok := ParseEntry(one(t, AppendEntry(nil, &entry)))
			check(e, entry, ok)
			action := Action{ActSkip, 1 << 31, 1 << 63, 1 << 62, path}
			a, ok := ParseAction(one(t, AppendAction(nil, action)))
			check(a, action, ok)
			list := List{ListAttrs, 1 << 63, 1 << 62, path}
			l, ok := ParseList(one(t, AppendList(nil, list)))
			check(l, list, ok)
			both := ListPair{ListAttrs, 1 << 63, 1 << 62, 1 << 61, -5, 6, n%2 == 0, path}
			lp, ok := ParseListPair(one(t, AppendListPair(nil, both)))
			check(lp, both, ok)
			mark := DirMark{1 << 63, IO}
			d, ok := ParseDirMark(one(t, AppendDirMark(nil, RecDirEnd, mark)))
			check(d, mark, ok)
			name := Name{1, 2, -3, -4, 5, 6, 7, 8, 9, 10, 11, 12, path}
			b := AppendName(nil, &name)
			if len(b) != NameSize(len(path)) {
				t.Errorf("NameSize(%d) is %d, not %d", len(path), NameSize(len(path)), len(b))
			}
			nm, ok := ParseName(one(t, b))
			check(nm, name, ok)
			pair := Pair{1 << 63, 1 << 62, long, path}
			p, ok := ParsePair(one(t, AppendPair(nil, pair)))
			if n == 0 {
				pair.PathB = long
			}
			check(p, pair, ok)
			emit := Emit{EmitOwnContent, EmitWhiteout, 1 << 63, long, path}
			em, ok := ParseEmit(one(t, AppendEmit(nil, emit)))
			if n == 0 {
				emit.Name = long
			}
			check(em, emit, ok)
			change := Change{ChangeDeleted, path}
			c, ok := ParseChange(one(t, AppendChange(nil, change)))
			check(c, change, ok)
			attr := AppendAttr(nil, string(path), strings.Repeat("v", 2*MaxRecord))
			at, rest, ok := NextAttr(append(attr, 1))
			if !ok || string(at.Name) != string(path) || len(at.Value) != 2*MaxRecord || len(rest) != 1 {
				t.Errorf("attr: %d %d %v", len(at.Value), len(rest), ok)
			}
		})
	}
}

func TestFieldsComeBackAsTheyWent(t *testing.T) {
	field := func(b []byte) Field {
		f, ok := ParseField(one(t, b))
		if !ok {
			t.Fatalf("% x", b)
		}
		return f
	}
	if f := field(AppendFieldString(nil, FieldID, "id")); f.Tag != FieldID || string(f.Value) != "id" {
		t.Error(f)
	}
	if k, v, ok := field(AppendFieldPair(nil, FieldOption, "k", "a=b")).Pair(); k != "k" || v != "a=b" || !ok {
		t.Error(k, v, ok)
	}
	if _, _, ok := field(AppendFieldString(nil, FieldOption, "no NUL")).Pair(); ok {
		t.Error("a pair without NUL")
	}
	if n, ok := field(AppendFieldU32(nil, FieldExists, 1<<31)).U32(); n != 1<<31 || !ok {
		t.Error(n, ok)
	}
	if n, ok := field(AppendFieldU64(nil, FieldSize, 1<<63)).U64(); n != 1<<63 || !ok {
		t.Error(n, ok)
	}
	if _, ok := field(AppendFieldU64(nil, FieldSize, 1)).U32(); ok {
		t.Error("a u64 as a u32")
	}
	if s, n, ok := field(AppendFieldTime(nil, FieldCreated, -7, 8)).Time(); s != -7 || n != 8 || !ok {
		t.Error(s, n, ok)
	}
	if s, ok := field(AppendFieldSpec(nil, Spec{SpecOverlay, SpecWritable, []string{"a/b", "c"}})).Spec(); s.Kind != SpecOverlay || s.Flags != SpecWritable || len(s.Paths) != 2 || s.Paths[1] != "c" || !ok {
		t.Error(s, ok)
	}
	if g, c, h, n, ok := field(AppendFieldIDMap(nil, true, 1, 2, 3)).IDMap(); !g || c != 1 || h != 2 || n != 3 || !ok {
		t.Error(g, c, h, n, ok)
	}
}

func TestNextRefusesWhatIsNoRecord(t *testing.T) {
	good := AppendChange(nil, Change{Path: []byte("path")})
	if _, _, ok, code := Next(nil); ok || code != OK {
		t.Error("the end is no error")
	}
	for name, b := range map[string][]byte{
		"short header": good[:7],
		"short body":   good[:len(good)-1],
		"size 0":       make([]byte, 16),
		"size 4":       {1, 0, 0, 0, 4, 0, 0, 0},
		"not aligned":  {1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"too large":    append([]byte{1, 0, 0, 0, 8, 0, 1, 0}, make([]byte, MaxRecord)...),
		"huge":         {1, 0, 0, 0, 0xf8, 0xff, 0xff, 0xff},
	} {
		if _, _, ok, code := Next(b); ok || code != Invalid {
			t.Errorf("%s: %v %v", name, ok, code)
		}
	}
}

func TestCodesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for c := OK; c >= IO; c-- {
		if !c.Known() || seen[c.Error()] {
			t.Errorf("%d: %q", c, c.Error())
		}
		seen[c.Error()] = true
	}
	for _, c := range []Code{1, IO - 1} {
		if c.Known() || !strings.Contains(c.Error(), "unknown") {
			t.Errorf("%d is known", c)
		}
	}
}

func TestMethodsHaveExports(t *testing.T) {
	for m := Method(0); m < MethodCount; m++ {
		if m.Export() != "driver_"+m.String() {
			t.Errorf("%d: %s %s", m, m.Export(), m)
		}
	}
	if a, b := ProtoMethods(), ProtoMethods(); &a[0] == &b[0] || !reflect.DeepEqual(a, b) {
		t.Error("ProtoMethods hands out its own list")
	}
}

// Parsers see what guests send: any bytes, without a panic, and what they
// accept lies within the record.
func FuzzParse(f *testing.F) {
	for _, b := range examples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		within := func(parts ...[]byte) {
			for _, p := range parts {
				if len(p) > len(b) || len(p) > 0 && !bytes.Contains(b, p) {
					t.Errorf("%q is not within %q", p, b)
				}
			}
		}
		NextAttr(b)
		var names [3]Name
		n, size := Names(b, names[:])
		for i, rest := 0, b; i < n; i++ {
			rec, next, ok, _ := Next(rest)
			want, isName := ParseName(rec)
			if !ok || !isName || fmt.Sprint(want) != fmt.Sprint(names[i]) {
				t.Fatalf("%v, want %v", names[i], want)
			}
			if rest = next; i == n-1 && len(b)-len(rest) != size {
				t.Fatalf("%d bytes, want %d", size, len(b)-len(rest))
			}
		}
		for rest := b; ; {
			rec, next, ok, _ := Next(rest)
			if !ok {
				return
			}
			if len(next) >= len(rest) {
				t.Fatal("no progress")
			}
			rest = next
			if e, ok := ParseEntry(rec); ok {
				within(e.Path, e.Link)
			}
			if a, ok := ParseAttr(rec); ok {
				within(a.Name, a.Value)
			}
			if a, ok := ParseAction(rec); ok {
				within(a.Path)
			}
			if l, ok := ParseList(rec); ok {
				within(l.Path)
			}
			if l, ok := ParseListPair(rec); ok {
				within(l.Path)
			}
			ParseDirMark(rec)
			if n, ok := ParseName(rec); ok {
				within(n.Name)
			}
			if p, ok := ParsePair(rec); ok {
				within(p.PathA, p.PathB)
			}
			if e, ok := ParseEmit(rec); ok {
				within(e.Path, e.Name)
			}
			if c, ok := ParseChange(rec); ok {
				within(c.Path)
			}
			if fd, ok := ParseField(rec); ok {
				within(fd.Value)
				fd.Pair()
				fd.U32()
				fd.U64()
				fd.Time()
				fd.Spec()
				fd.IDMap()
			}
		}
	})
}
