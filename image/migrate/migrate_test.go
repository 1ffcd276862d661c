package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/convert"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/image/migrate"
	"github.com/bulkhead/bulkhead/layer"
)

// The IDs are those by which Docker 1.10 to 17.05 tests its own migration: the
// documents are busybox of 2015 as Docker 1.9 and 1.8 kept it, all layers taken
// for empty. What 1.8 wrote is written again, and so is the same image. (moby
// migrate/v1/migratev1_test.go. It gives other IDs for 1.8 but never compares
// them; the code of 1.13.1 comes to these.)
func TestImagesGetTheIDsThatDocker110GaveThem(t *testing.T) {
	f := newFixture(t)
	docs := map[string]struct{ id, parent, want string }{
		"busybox-1.9-base.json": {id("a"), "", "sha256:ca406eaf9c26898414ff5b7b3a023c33310759d6203be0663dbf1b3a712f432d"},
		"busybox-1.9-top.json":  {id("b"), id("a"), "sha256:a488bec94bb96b26a968f913d25ef7d8d204d727ca328b52b4b059c7d03260b6"},
		"busybox-1.8-base.json": {"d1592a710ac323612bd786fa8ac20727c58d8a67847e5a65177c594f43919498", "",
			"sha256:ca406eaf9c26898414ff5b7b3a023c33310759d6203be0663dbf1b3a712f432d"},
		"busybox-1.8-top.json": {"17583c7dd0dae6244203b8029733bdb7d17fccbb2b5d93e2b24cf48b8bfd06e2", "",
			"sha256:a488bec94bb96b26a968f913d25ef7d8d204d727ca328b52b4b059c7d03260b6"},
	}
	for name, d := range docs {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		f.must(err)
		f.place(d.id, raw, d.parent)
	}
	done := f.done()
	f.left(done, nil)
	for name, d := range docs {
		if got := became(done, d.id); string(got) != d.want {
			t.Errorf("%s became %q, not %s", name, got, d.want)
		}
	}
	top, err := f.stores.Images.Get(became(done, docs["busybox-1.8-top.json"].id))
	f.must(err)
	if string(top.Parent) != docs["busybox-1.8-base.json"].want || len(top.Config.History) != 2 || len(top.Config.DiffIDs()) != 2 ||
		top.Config.History[1].CreatedBy != `/bin/sh -c #(nop) CMD ["sh"]` || top.Config.History[1].EmptyLayer {
		t.Errorf("parent %s, history %+v", top.Parent, top.Config.History)
	}
}

func TestLayersComeOverByteForByteAndNothingIsChanged(t *testing.T) {
	f := newFixture(t)
	base, top := append(archiveOf("base", "one"), make([]byte, 3000)...), archiveOf("top", "two")
	f.register(id("b"), "", base)
	f.register(id("a"), id("b"), top) // its parent comes later in order
	f.write("repositories-plain", `{"Repositories":{"app":{"1":"`+id("a")+`","latest":"`+id("a")+`"},
		"docker.io/library/base":{"sha256:`+strings.Repeat("1", 64)+`":"`+id("b")+`"}}}`)
	before := f.tree()
	var told []migrate.Migrated
	f.opts.Stored = func(m migrate.Migrated) { told = append(told, m) }
	done := f.done()
	f.left(done, nil)
	if len(done.Stored) != 2 || len(told) != 2 || done.Names != 3 || !done.Stored[0].Exact || !done.Stored[1].Exact {
		t.Errorf("got %+v, told %+v", done, told)
	}
	a, b := became(done, id("a")), became(done, id("b"))
	if !bytes.Equal(f.top(a), top) || !bytes.Equal(f.top(b), base) {
		t.Error("another archive comes out")
	}
	img, err := f.stores.Images.Get(a)
	f.must(err)
	if img.Parent != b || len(img.Config.History) != 2 || img.Config.History[0].Comment != "b" || len(f.stores.Images.References(a)) != 2 {
		t.Errorf("%+v", img)
	}
	refs := f.stores.Images.References(b)
	if len(refs) != 1 || reference.FamiliarString(refs[0]) != "base@sha256:"+strings.Repeat("1", 64) {
		t.Errorf("base is called %v", refs)
	}
	if after := f.tree(); after != before {
		t.Errorf("the old root was\n%s\nand is\n%s", before, after)
	}
}

func TestALayerOfUnknownArchiveComesOverAsTheDriverTellsIt(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "", archiveOf("a", "a"))
	f.register(id("b"), id("a"), archiveOf("b", "b"))
	f.remove("graph/" + id("b") + "/tar-data.json.gz")
	f.remove("graph/" + id("b") + "/layersize")
	done := f.done()
	f.left(done, nil)
	for _, m := range done.Stored {
		if m.Exact != (m.From == id("a")) {
			t.Errorf("%+v", m)
		}
	}
	if got := f.top(became(done, id("b"))); !bytes.Equal(got, archiveOf("told", id("b"))) {
		t.Errorf("got %q", got)
	}
}

func TestWhatCameOverIsNotReadAgain(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "", archiveOf("a", "a"))
	f.register(id("b"), id("a"), archiveOf("b", "b"))
	f.register(id("c"), id("b"), archiveOf("c", "c"))
	ctx, cancel := context.WithCancel(t.Context())
	opts := migrate.Options{Stored: func(migrate.Migrated) { cancel() }}
	first, err := migrate.Run(ctx, migrate.Source{Graph: f.open(true), Root: f.old}, migrate.Target{Stores: f.stores, Root: f.root, Driver: plaindriver.Name}, opts)
	if !errors.Is(err, context.Canceled) || len(first.Stored) != 1 {
		t.Fatalf("%+v (%v)", first, err)
	}
	// What is gone from the old root since does no harm.
	f.must(os.RemoveAll(filepath.Join(f.old, plaindriver.Name, id("a"), "a")))
	done := f.done()
	f.left(done, nil)
	if len(done.Stored) != 2 || len(done.Already) != 1 || done.Already[0] != first.Stored[0] {
		t.Errorf("got %+v", done)
	}
	if again := f.done(); len(again.Stored) != 0 || len(again.Already) != 3 || became(again, id("c")) != became(done, id("c")) {
		t.Errorf("again: %+v", again)
	}
	// What is noted counts only for this graph's image, and while it is there.
	_, err = f.stores.Images.Delete(t.Context(), became(done, id("c")))
	f.must(err)
	f.write(filepath.Join("graph", id("b"), "json"), `{"id":"`+id("b")+`","parent":"`+id("a")+`","created":"2015-01-01T00:00:00Z","comment":"other"}`)
	if again := f.done(); len(again.Stored) != 2 || len(again.Already) != 1 {
		t.Errorf("after a removal and a change: %+v", again)
	}
}

func TestNotesThatAreNoneCountForNothing(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "", archiveOf("a", "a"))
	want := became(f.done(), id("a"))
	note := filepath.Join(f.root, "bulkhead", plaindriver.Name, "migrated", id("a"))
	for _, text := range []string{"", "{", `{"image":"sha256:nonsense"}`, strings.Repeat(" ", 1<<20)} {
		f.must(os.WriteFile(note, []byte(text), 0o600))
		if done := f.done(); len(done.Stored) != 1 || done.Stored[0].ID != want {
			t.Errorf("note %.20q: %+v", text, done)
		}
	}
	f.must(os.Remove(note))
	f.must(os.Symlink("/dev/zero", note))
	if done := f.done(); len(done.Stored) != 1 || done.Stored[0].ID != want {
		t.Errorf("link: %+v", done)
	}
}

func TestWhatWasLeftOfANoteGoes(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "", archiveOf("a", "a"))
	f.done()
	half := filepath.Join(f.root, "bulkhead", plaindriver.Name, "migrated", ".bulkhead-tmp-1")
	f.must(os.WriteFile(half, []byte("{"), 0o600))
	if done := f.done(); len(done.Already) != 1 {
		t.Errorf("got %+v", done)
	}
	if _, err := os.Lstat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a half of a note stays: %v", err)
	}
}

func TestWhatIsDamagedStaysAndIsTold(t *testing.T) {
	f := newFixture(t)
	good, altered, child, json, circle, other, bare, lost := id("0"), id("1"), id("2"), id("3"), id("4"), id("5"), id("6"), id("7")
	f.register(good, "", archiveOf("good", "good"))
	f.register(altered, good, archiveOf("file", "content"))
	f.register(child, altered, archiveOf("child", "child"))
	for _, name := range []string{json, circle, other, bare, lost} {
		f.register(name, "", archiveOf("f", name))
	}
	f.must(os.WriteFile(filepath.Join(f.driver.Home, altered, "file"), []byte("CONTENT"), 0o600))
	f.write(filepath.Join("graph", json, "json"), "{")
	f.write(filepath.Join("graph", circle, "parent"), other)
	f.write(filepath.Join("graph", other, "parent"), circle)
	f.must(os.RemoveAll(filepath.Join(f.driver.Home, bare)))
	f.write(filepath.Join("graph", lost, "parent"), id("8"))
	f.write("repositories-plain", `{"Repositories":{"good":{"1":"`+good+`"},"bad":{"1":"`+altered+`","2":"../../etc"},
		"evil\u001b[31m":{"1":"`+good+`"},"good:2":{"1":"`+good+`"},"tag":{"no tag":"`+good+`"},"sha256":{"x":"`+good+`"}}}`)
	f.write("containers/"+id("c")+"/config.json", `{"Name":"/box"}`)
	f.must(os.MkdirAll(filepath.Join(f.old, "containers", id("d")), 0o700))
	done := f.done()
	if len(done.Stored) != 1 || done.Names != 1 {
		t.Errorf("got %+v", done)
	}
	f.left(done, map[string]string{
		"image " + altered[:12]:                  `file "file": content is not what was stored`,
		"image " + child[:12]:                    "its parent did not come over: " + altered[:12],
		"image " + json[:12]:                     "corrupt",
		"image " + circle[:12]:                   "its parent did not come over",
		"image " + other[:12]:                    "its parent did not come over",
		"image " + bare[:12]:                     "the driver has no layer of it",
		"image " + lost[:12]:                     "its parent did not come over",
		"image " + id("8")[:12]:                  "no such image",
		"name bad:1":                             "image " + altered[:12] + " did not come over",
		"name bad:2":                             "invalid image ID",
		`name "evil\x1b[31m:1"`:                  "invalid",
		`name "good:2:1"`:                        "has no tag",
		`name "tag:no tag"`:                      "tag",
		"name sha256:x":                          "digest algorithm",
		"container " + id("c")[:12] + ` ("box")`: "not migrated",
		"container " + id("d")[:12]:              "not migrated",
	})
}

func TestANameOfAnotherImageStaysThatOnes(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "", archiveOf("a", "a"))
	f.register(id("b"), "", archiveOf("b", "b"))
	f.write("repositories-plain", `{"Repositories":{"app":{"1":"`+id("a")+`"}}}`)
	a := became(f.done(), id("a"))
	f.write("repositories-plain", `{"Repositories":{"app":{"1":"`+id("b")+`"}}}`)
	done := f.done()
	f.left(done, map[string]string{"name app:1": convert.ErrNameTaken.Error()})
	if refs := f.stores.Images.References(a); len(refs) != 1 {
		t.Errorf("named %v", refs)
	}
}

func TestHostileGraphsAreRefusedAndTheRestComesOver(t *testing.T) {
	f := newFixture(t)
	f.opts.Layer, f.opts.Entries = 4096, 3
	for i, tar := range [][]byte{
		archiveOf("good", "good"),
		archiveOf("big", strings.Repeat("x", 8192)),
	} {
		f.register(id(string(rune('a'+i))), "", tar)
	}
	// Whoever wrote the root can have tar-split data say what they like.
	tardata := func(name, text string) {
		f.write("graph/"+name+"/tar-data.json.gz", text)
	}
	f.register(id("c"), "", archiveOf("c", "c"))
	tardata(id("c"), "no gzip")
	f.register(id("d"), "", archiveOf("d", "d"))
	f.must(os.Symlink("/dev/zero", filepath.Join(f.old, "graph", "link")))
	f.remove("graph/" + id("d") + "/json")
	f.must(os.Symlink("/dev/zero", filepath.Join(f.old, "graph", id("d"), "json")))
	f.register(id("e"), "", archiveOf("e", "e"))
	f.must(os.Remove(filepath.Join(f.driver.Home, id("e"), "e")))
	f.must(os.Symlink("/etc/passwd", filepath.Join(f.driver.Home, id("e"), "e")))
	f.write("repositories-plain", `{"Repositories":`)
	done := f.done()
	if len(done.Stored) != 1 || became(done, id("a")) == "" {
		t.Errorf("got %+v", done)
	}
	f.left(done, map[string]string{
		"image " + id("b")[:12]: "raise limits.layer",
		"image " + id("c")[:12]: "tar-data.json.gz",
		"image " + id("d")[:12]: "not a regular file",
		"image " + id("e")[:12]: "content is not what was stored",
		"names of its images":   "corrupt",
	})
	f.must(f.stores.Layers.Cleanup(t.Context()))
	if left := f.stores.Layers.Map(); len(left) != 1 {
		t.Errorf("%d layers are there", len(left))
	}
}

func TestAChainThatIsTooLongStays(t *testing.T) {
	f := newFixture(t)
	parent := ""
	for i := range layer.MaxDepth + 2 {
		name := id(strings.Repeat("a", i%60+1) + string("0123456789"[i/60]))
		f.register(name, parent, make([]byte, 1024))
		parent = name
	}
	done := f.done()
	if len(done.Stored) != layer.MaxDepth || len(done.Left) != 2 || !errors.Is(done.Left[0], layer.ErrMaxDepth) || !errors.Is(done.Left[1], migrate.ErrParent) {
		t.Errorf("%d stored, left %v", len(done.Stored), done.Left)
	}
}
