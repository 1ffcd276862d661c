package layer

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// tracer writes down what became of the disk and of the driver, with random
// names made plain.
type tracer struct {
	root  string
	lines []string
}

func (tr *tracer) did(op, path string) error {
	if rel, err := filepath.Rel(tr.root, path); err == nil {
		path = rel
	}
	tr.lines = append(tr.lines, op+" "+path)
	return nil
}

func (tr *tracer) text(names map[string]string) []string {
	out := slices.Clone(tr.lines)
	for i := range out {
		for from, to := range names {
			out[i] = strings.ReplaceAll(out[i], from, to)
		}
	}
	return out
}

func traced(t *testing.T, how func(*copyDriver) graphdriver.Driver) (*bench, *tracer) {
	tr := &tracer{root: t.TempDir()}
	b := open(t, tr.root, func(o *Options) {
		d := o.Driver.(entryDriver).copyDriver
		d.note = func(op, id string) { tr.lines = append(tr.lines, "driver "+op+" "+id) }
		o.Driver = how(d)
		o.before = tr.did
	})
	tr.lines = nil
	return b, tr
}

func TestEverythingIsDurableBeforeItIsSeen(t *testing.T) {
	b, tr := traced(t, drivers["entries and getter"])
	ses, err := b.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l1, err := ses.Register(t.Context(), bytes.NewReader(archive(t, file{name: "1"})), "", RegisterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l2, err := ses.Register(t.Context(), bytes.NewReader(archive(t, file{name: "2"})), l1.ChainID(), RegisterOptions{Descriptor: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if err := ses.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ses.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := "image/copy/layerdb/"
	begin := func(n string, extra ...string) []string {
		tx := db + "tmp/bulkhead-CACHE" + n
		out := []string{
			"write bulkhead/copy/journal/CACHE" + n, "sync bulkhead/copy/journal",
			"mkdir " + tx, "driver create CACHE" + n,
			"write " + tx + "/tar-split.json.gz", "driver apply CACHE" + n,
			"write " + tx + "/size", "write " + tx + "/cache-id", "write " + tx + "/diff",
		}
		return append(out, extra...)
	}
	show := func(n string) []string {
		return []string{"rename " + db + "sha256/CHAIN" + n, "sync " + db + "sha256"}
	}
	tx2 := "write " + db + "tmp/bulkhead-CACHE2/"
	want := slices.Concat(
		begin("1"), begin("2", tx2+"parent", tx2+"descriptor.json"),
		[]string{"syncfs copy"},
		show("1"), show("2"), // one file system: its sync was of the files too
		[]string{"remove bulkhead/copy/journal/CACHE1", "remove bulkhead/copy/journal/CACHE2", "sync bulkhead/copy/journal"},
	)
	got := tr.text(map[string]string{
		l1.CacheID(): "CACHE1", l2.CacheID(): "CACHE2",
		string(l1.ChainID())[7:]: "CHAIN1", string(l2.ChainID())[7:]: "CHAIN2",
	})
	// The home did not exist when the session began, so what is above it was
	// opened; it is the same file system.
	for i := range got {
		if got[i] == "syncfs ." {
			got[i] = "syncfs copy"
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnExpectedSessionMakesItsJournalDurableOnce(t *testing.T) {
	b, tr := traced(t, drivers["entries and getter"])
	ses, err := b.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	chain := ChainOf([]DiffID{"sha256:a"})
	if err := ses.Expect(t.Context(), []ChainID{chain, chain, chain}); err != nil {
		t.Fatal(err)
	}
	var parent ChainID
	for i := range 2 { // one less than was expected
		l, err := ses.Register(t.Context(), bytes.NewReader(archive(t, file{name: fmt.Sprint(i)})), parent, RegisterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		parent = l.ChainID()
	}
	const journal = "sync bulkhead/copy/journal"
	count := func() (n int) {
		for _, line := range tr.lines {
			if line == journal {
				n++
			}
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("the journal was synced %d times:\n%s", n, strings.Join(tr.lines, "\n"))
	}
	if ids, err := b.intents(); err != nil || len(ids) != 3 {
		t.Errorf("the journal has %v, %v", ids, err)
	}
	if err := ses.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ses.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ids, err := b.intents(); err != nil || len(ids) != 0 {
		t.Errorf("the journal has %v, %v", ids, err)
	}
}

func TestRemovalIsDurableBeforeTheTreeGoes(t *testing.T) {
	b, tr := traced(t, drivers["entries and getter"])
	l := b.add(archive(t, file{name: "1"}), "")
	tr.lines = nil
	if _, err := b.Release(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	got := tr.text(map[string]string{l.CacheID(): "CACHE", string(l.ChainID())[7:]: "CHAIN"})
	away, ok := strings.CutPrefix(got[0], "rename ")
	want := []string{
		"rename " + away, "sync image/copy/layerdb/sha256", "driver remove CACHE",
		"removeall " + away + "/diff", "removeall " + away + "/size", "removeall " + away + "/tar-split.json.gz", "removeall " + away,
	}
	if !ok || !strings.HasPrefix(away, "image/copy/layerdb/sha256/CHAIN-") || !strings.HasSuffix(away, "-removing") || !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// sealingDriver syncs and seals by itself.
type sealingDriver struct {
	entryDriver
	sealed map[string]bool
}

func (d sealingDriver) SyncLayers(_ context.Context, ids ...string) error {
	d.note("sync", strings.Join(ids, ","))
	return nil
}

func (d sealingDriver) Seal(_ context.Context, ids ...string) error {
	for _, id := range ids {
		d.sealed[id] = true
	}
	d.note("seal", strings.Join(ids, ","))
	return nil
}

func TestDriverThatSyncsAndSealsIsAskedTo(t *testing.T) {
	sealed := map[string]bool{}
	how := func(d *copyDriver) graphdriver.Driver { return sealingDriver{entryDriver{d}, sealed} }
	b, tr := traced(t, how)
	l := b.add(archive(t, file{name: "1"}), "")
	text := strings.Join(tr.text(map[string]string{l.CacheID(): "CACHE"}), "\n")
	at := func(s string) int { return strings.Index(text, s) }
	if strings.Contains(text, "syncfs") || at("driver sync CACHE") < 0 || at("driver sync CACHE") > at("rename ") || at("driver seal CACHE") < at("rename ") {
		t.Errorf("got\n%s", text)
	}
	// Which of the files that synced nobody knows, so each is.
	for _, name := range []string{"cache-id", "diff", "size", "tar-split.json.gz"} {
		if i := at("sync image/copy/layerdb/tmp/bulkhead-CACHE/" + name); i < 0 || i > at("rename ") {
			t.Errorf("%s is not synced before it is seen:\n%s", name, text)
		}
	}
	clear(sealed)
	for _, readOnly := range []bool{true, false} {
		open(t, b.root, func(o *Options) { o.Driver, o.ReadOnly = how(b.driver), readOnly })
		if !sealed[l.CacheID()] {
			t.Error("not sealed when opened again")
		}
		clear(sealed)
	}
}

func TestRWLayerIsDurableBeforeItIsSeenAndHiddenBeforeItGoes(t *testing.T) {
	b, tr := traced(t, drivers["entries and getter"])
	base := b.add(archive(t, file{name: "1"}), "")
	tr.lines = nil
	l := b.addRW("x", "box", base.ChainID())
	if _, err := b.ReleaseRWLayer(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	const journal, tx, mounts = "bulkhead/copy/journal", "image/copy/layerdb/tmp/bulkhead-MOUNT", "image/copy/layerdb/mounts"
	want := []string{
		"write " + journal + "/MOUNT", "sync " + journal, "write " + journal + "/MOUNT-init", "sync " + journal,
		"driver create MOUNT-init", "driver create MOUNT",
		"mkdir " + tx, "write " + tx + "/mount-id", "write " + tx + "/init-id", "write " + tx + "/parent",
		"syncfs copy",
		"mkdir " + mounts, "sync image/copy/layerdb", "sync image/copy", "sync image", "sync .",
		"rename " + mounts + "/box", "sync " + mounts,
		"remove " + journal + "/MOUNT", "remove " + journal + "/MOUNT-init", "sync " + journal,

		"write " + journal + "/MOUNT", "sync " + journal, "write " + journal + "/MOUNT-init", "sync " + journal,
		"rename " + tx, "sync " + mounts,
		"driver remove MOUNT", "removeall " + tx, "remove " + journal + "/MOUNT",
		"driver remove MOUNT-init", "removeall " + tx + "-init", "remove " + journal + "/MOUNT-init",
	}
	if got := tr.text(map[string]string{l.MountID(): "MOUNT"}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
