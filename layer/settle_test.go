package layer

import (
	"bytes"
	"slices"
	"testing"
)

func TestUnusedLayersOfAnUnclosedSessionAreSettled(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	stranger := b.add(archive(t, file{name: "stranger"}), "")
	b.add(archive(t, file{name: "another"}), "")
	ses, err := b.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parent := stranger.ChainID()
	var added []ChainID
	for _, name := range []string{"one", "two", "three"} {
		l, err := ses.Register(t.Context(), bytes.NewReader(archive(t, file{name: name})), parent, RegisterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		parent = l.ChainID()
		added = append(added, parent)
	}
	if err := ses.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	after := open(t, root, nil) // as a process that finds what the first one left
	used, err := after.Get(added[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := after.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := after.Map()
	if m[added[0]] == nil || m[added[1]] != nil || m[added[2]] != nil {
		t.Errorf("of three layers the first is in use; left are %v", m)
	}
	if len(m) != 3 {
		t.Error("layers that were not in the journal are gone")
	}
	after.nothingOrphaned()
	if _, err := after.Release(t.Context(), used); err != nil {
		t.Fatal(err)
	}
}

func TestStoreOpenedToReadSettlesNothing(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	ses, err := b.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := ses.Register(t.Context(), bytes.NewReader(archive(t, file{name: "one"})), "", RegisterOptions{})
	if err == nil {
		err = ses.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Options){func(o *Options) { o.ReadOnly = true }, func(o *Options) { o.Driver = nil }} {
		if err := open(t, root, change).Settle(t.Context()); err != nil {
			t.Error(err)
		}
	}
	after := open(t, root, nil)
	if after.Map()[l.ChainID()] == nil {
		t.Error("the layer is gone")
	}
	if got := names(after.at.journal()); !slices.Equal(got, []string{l.CacheID()}) {
		t.Errorf("the journal holds %v", got)
	}
}

func TestOnlyWhatAReleaseWouldRemoveIsDoubted(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	base := b.add(archive(t, file{name: "base"}), "")
	shared := b.add(archive(t, file{name: "shared"}), base.ChainID())
	top := b.add(archive(t, file{name: "top"}), shared.ChainID())
	next := b.add(archive(t, file{name: "next"}), top.ChainID())
	for _, l := range []Layer{base, top} {
		if _, err := b.Release(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	end, err := b.Doubt(next)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{next.CacheID(), top.CacheID()}
	slices.Sort(want)
	if got := names(b.at.journal()); !slices.Equal(got, want) {
		t.Errorf("doubted are %v, want %v", got, want)
	}
	again, err := b.Doubt(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil || len(names(b.at.journal())) != 2 {
		t.Errorf("the end of a second doubt ended the first (%v)", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	b.nothingOrphaned()
}
