package v1_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/image"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

func TestAGraphOfDockersIsRead(t *testing.T) {
	f := newFixture(t)
	a, b := id("a"), id("b")
	f.place(a, `{"id":"`+a+`","created":"2014-01-01T00:00:00Z","container_config":{"Cmd":"one string"},"Size":77} trailing`)
	f.place(b, `{"parent":"`+a+`","created":"2014-01-01T00:00:00Z"}`)
	f.write(a, "layersize", "3000000000")
	f.write(b, "layersize", "0")
	if f.graph.Exists(ctx, a) {
		t.Fatal("the index was not built when it was opened")
	}
	f.reopen()
	img, err := f.graph.Get(ctx, a)
	if err != nil || img.Size != 3000000000 || img.ContainerConfig.Cmd[0] != "one string" {
		t.Errorf("%+v (%v)", img, err)
	}
	img, err = f.graph.Get(ctx, b)
	if err != nil || img.ID != b || img.Parent != a || img.Size != 0 {
		t.Errorf("%+v (%v)", img, err)
	}
}

func TestRestorePassesOverWhatIsBroken(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	f.must(os.Mkdir(f.path(id("b")), 0o700)) // no layer
	f.place(id("c"), `{`)
	f.must(os.Mkdir(f.path("not-an-id"), 0o700))
	f.reopen()
	images, err := f.graph.Map(ctx)
	if err != nil || len(images) != 1 || images[id("a")] == nil {
		t.Errorf("%v (%v)", images, err)
	}
	_, err = f.graph.Get(ctx, id("b"))
	f.want(err, image.ErrNotFound)
	_, err = f.graph.Get(ctx, id("c"))
	f.want(err, image.ErrCorrupt)
}

func TestAnImageIsFoundByTheBeginningOfItsID(t *testing.T) {
	f := newFixture(t)
	f.register(id("ab1"), "")
	f.register(id("ab2"), "")
	for _, name := range []string{"ab1", id("ab1")} {
		if img, err := f.graph.Get(ctx, name); err != nil || img.ID != id("ab1") {
			t.Errorf("%s: %+v (%v)", name, img, err)
		}
	}
	_, err := f.graph.Get(ctx, "ab")
	f.want(err, image.ErrAmbiguous)
	_, err = f.graph.Get(ctx, "")
	f.want(err, image.ErrTooShort)
	_, err = f.graph.Get(ctx, "c")
	f.want(err, image.ErrNotFound)
	f.want(f.graph.Delete(ctx, "ab"), image.ErrAmbiguous)
	if f.graph.Exists(ctx, "ab") || f.graph.Exists(ctx, "") || !f.graph.Exists(ctx, "ab2") {
		t.Error("Exists is not what Get says")
	}
}

func TestAWrongIDOnDiskIsAnError(t *testing.T) {
	f := newFixture(t)
	f.place(id("a"), `{"id":"`+id("b")+`"}`)
	f.reopen()
	_, err := f.graph.Get(ctx, id("a"))
	var wrong *v1.WrongIDError
	if !errors.As(err, &wrong) || wrong.At != id("a") || wrong.ID != id("b") || f.graph.Exists(ctx, id("a")) {
		t.Errorf("%v", err)
	}
}

func TestASizeThatIsNotNotedIsAskedForAndSaved(t *testing.T) {
	f := newFixture(t)
	a := id("a")
	f.place(a, `{}`)
	f.reopen()
	f.driver.failSize = true
	if _, err := f.graph.Get(ctx, a); !errors.Is(err, errDriver) {
		t.Errorf("%v", err)
	}
	f.driver.failSize = false
	for range 2 {
		if img, err := f.graph.Get(ctx, a); err != nil || img.Size != 4711 {
			t.Errorf("%+v (%v)", img, err)
		}
	}
	if f.driver.sized != 1 || f.read(a, "layersize") != "4711" {
		t.Errorf("asked %d times", f.driver.sized)
	}
	f.write(a, "layersize", "-1")
	if img, err := f.graph.Get(ctx, a); err != nil || img.Size != 4711 || f.driver.sized != 2 {
		t.Errorf("%+v (%v)", img, err)
	}
}

func TestAGraphOpenForReadingIsNotWrittenTo(t *testing.T) {
	f := newFixture(t)
	a := id("a")
	f.register(a, "")
	f.must(os.Remove(f.path(a, "layersize")))
	f.opts.ReadOnly, f.opts.TempDir = true, t.TempDir()
	f.reopen()
	if img, err := f.graph.Get(ctx, a); err != nil || img.Size != 4711 {
		t.Errorf("%+v (%v)", img, err)
	}
	if _, err := os.Lstat(f.path(a, "layersize")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the size was saved")
	}
	f.want(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("b")}), nil), image.ErrReadOnly)
	f.want(f.graph.Delete(ctx, a), image.ErrReadOnly)
	f.want(f.graph.SetV1CompatibilityConfig(ctx, a, []byte("{}")), image.ErrReadOnly)
	if config, err := f.graph.GenerateV1CompatibilityChain(ctx, a); err != nil || len(config) == 0 {
		t.Errorf("%s (%v)", config, err)
	}
	tmp, err := f.graph.TempLayerArchive(ctx, a, nil)
	f.must(err)
	f.must(tmp.Close())
	if entries, _ := os.ReadDir(f.path(a)); len(entries) != 2 {
		t.Errorf("%v", entries)
	}
	f.opts.Root = t.TempDir()
	f.reopen()
	if entries, _ := os.ReadDir(f.opts.Root); len(entries) != 0 {
		t.Errorf("an empty root was written to: %v", entries)
	}
}

func TestIsNotExistIsAboutTheImageThatWasAskedFor(t *testing.T) {
	f := newFixture(t)
	_, err := f.graph.Get(ctx, id("a"))
	if !f.graph.IsNotExist(err, id("a")) || !f.graph.IsNotExist(err, "a") || f.graph.IsNotExist(err, id("b")) {
		t.Errorf("%v", err)
	}
	if f.graph.IsNotExist(nil, id("a")) || f.graph.IsNotExist(errDriver, id("a")) {
		t.Error("any error will do")
	}
	f.register(id("a"), "")
	f.must(os.Remove(f.path(id("a"), "json")))
	if _, err := f.graph.Get(ctx, id("a")); !f.graph.IsNotExist(err, id("a")) {
		t.Errorf("an image without json: %v", err)
	}
}

func TestDeleteRemovesImageAndLayer(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	f.must(f.graph.Delete(ctx, "a"))
	if f.graph.Exists(ctx, id("a")) || f.hasLayer(id("a")) {
		t.Error("it is still there")
	}
	f.want(f.graph.Delete(ctx, "a"), image.ErrNotFound)
	f.clean()

	f.register(id("b"), "")
	f.driver.failRemove = true
	f.want(f.graph.Delete(ctx, id("b")), errDriver)
	if f.graph.Exists(ctx, id("b")) {
		t.Error("it can still be seen")
	}
	f.driver.failRemove = false
	f.reopen()
	if f.hasLayer(id("b")) {
		t.Error("the next Open did not try again")
	}
	f.clean()
}

func TestDeleteOfAnImageWhoseDirectoryIsGoneRemovesItsLayer(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	f.must(os.RemoveAll(f.path(id("a"))))
	f.must(f.graph.Delete(ctx, id("a")))
	if f.hasLayer(id("a")) {
		t.Error("the layer is still there")
	}
	f.want(f.graph.Delete(ctx, id("a")), image.ErrNotFound)
	f.clean()
}

func TestAFamilyIsKnown(t *testing.T) {
	f := newFixture(t)
	a, b, c, d, e := id("a"), id("b"), id("c"), id("d"), id("e")
	f.register(a, "")
	f.register(b, a)
	f.register(c, a)
	f.register(d, c)
	f.register(e, id("f")) // whose parent is not there
	children, err := f.graph.ByParent(ctx)
	f.must(err)
	var of []string
	for _, img := range children[a] {
		of = append(of, img.ID)
	}
	slices.Sort(of)
	if len(children) != 2 || !slices.Equal(of, []string{b, c}) || len(children[c]) != 1 || children[c][0].ID != d {
		t.Errorf("%v, of a %v", children, of)
	}
	heads, err := f.graph.Heads(ctx)
	if err != nil || len(heads) != 3 || heads[b] == nil || heads[d] == nil || heads[e] == nil {
		t.Errorf("%v (%v)", heads, err)
	}
	for name, want := range map[string]bool{a: true, b: false, c: true, d: false} {
		if got, err := f.graph.HasChildren(ctx, &v1.Image{ID: name}); err != nil || got != want {
			t.Errorf("%s: %v (%v)", name, got, err)
		}
	}
}

func TestALayerIsHeldUntilItsLastSessionReleasesIt(t *testing.T) {
	f := newFixture(t)
	f.graph.Retain("one", "a", "b")
	f.graph.Retain("one", "a")
	f.graph.Retain("two", "a")
	f.graph.Release("one", "a", "unknown")
	if !f.graph.IsHeld("a") || !f.graph.IsHeld("b") || f.graph.IsHeld("unknown") {
		t.Error("not held as retained")
	}
	f.graph.Release("none", "a")
	f.graph.Release("two", "a")
	if f.graph.IsHeld("a") || !f.graph.IsHeld("b") {
		t.Error("not held as released")
	}
}

func TestRawJSONIsTheFileAsItIs(t *testing.T) {
	f := newFixture(t)
	f.place(id("a"), " {\"unknown\": 1}\n")
	if raw, err := f.graph.RawJSON(id("a")); err != nil || string(raw) != " {\"unknown\": 1}\n" {
		t.Errorf("%q (%v)", raw, err)
	}
	_, err := f.graph.RawJSON(id("b"))
	f.want(err, image.ErrNotFound)
	_, err = f.graph.RawJSON("../" + id("b"))
	f.want(err, v1.ErrInvalidID)
}

func TestHostileFilesAreDamageAndNothingElse(t *testing.T) {
	secret := func(f *fixture) string {
		path := f.path("secret")
		f.must(os.WriteFile(path, []byte(`{}`), 0o600))
		return path
	}
	for name, harm := range map[string]func(f *fixture, a string){
		"json is a pipe": func(f *fixture, a string) {
			f.must(os.Remove(f.path(a, "json")))
			f.must(syscall.Mkfifo(f.path(a, "json"), 0o600))
		},
		"json is a link": func(f *fixture, a string) {
			f.must(os.Remove(f.path(a, "json")))
			f.must(os.Symlink(secret(f), f.path(a, "json")))
		},
		"json is too long":     func(f *fixture, a string) { f.must(os.Truncate(f.path(a, "json"), 1<<40)) },
		"json has many values": func(f *fixture, a string) { f.write(a, "json", `{"x":[`+strings.Repeat("1,", 1<<17)+`1]}`) },
		"json is empty":        func(f *fixture, a string) { f.write(a, "json", "") },
		"json has a list":      func(f *fixture, a string) { f.write(a, "json", "[]") },
		"id climbs":            func(f *fixture, a string) { f.write(a, "json", `{"id":"../../etc"}`) },
		"parent climbs":        func(f *fixture, a string) { f.write(a, "parent", "../../../etc") },
		"parent in json":       func(f *fixture, a string) { f.write(a, "json", `{"parent":"../x"}`) },
		"parent is a pipe":     func(f *fixture, a string) { f.must(syscall.Mkfifo(f.path(a, "parent"), 0o600)) },
		"size is no number":    func(f *fixture, a string) { f.write(a, "layersize", "12\n") },
		"size is too large":    func(f *fixture, a string) { f.write(a, "layersize", "99999999999999999999") },
		"size is a directory":  func(f *fixture, a string) { f.must(os.Mkdir(f.path(a, "layersize"), 0o700)) },
		"the directory is a link": func(f *fixture, a string) {
			f.must(os.Rename(f.path(a), f.path("elsewhere")))
			f.must(os.Symlink(f.path("elsewhere"), f.path(a)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.place(id("a"), `{}`)
			f.register(id("b"), "")
			harm(f, id("a"))
			f.reopen()
			_, err := f.graph.Get(ctx, id("a"))
			f.want(err, image.ErrCorrupt)
			if text := fmt.Sprint(err); len(text) > 1000 || strings.Contains(text, "\n") {
				t.Errorf("no line to read: %.200q", text)
			}
			if images, err := f.graph.Map(ctx); err != nil || len(images) != 1 {
				t.Errorf("%v (%v)", images, err)
			}
			f.register(id("a"), "") // the damaged one gives way
			if !f.graph.Exists(ctx, id("a")) {
				t.Error("it was not replaced")
			}
		})
	}
}

func TestDirectoriesBelongToTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give directories away")
	}
	f := newFixture(t)
	f.opts.Root, f.opts.Owner = t.TempDir(), &v1.Owner{UID: 1234, GID: 2345}
	f.reopen()
	f.root = f.opts.Root
	f.register(id("a"), "")
	for _, dir := range []string{f.path("."), f.path("_tmp"), f.path(id("a"))} {
		fi, err := os.Stat(dir)
		f.must(err)
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != 1234 || st.Gid != 2345 || fi.Mode().Perm() != 0o700 {
			t.Errorf("%s: %d:%d %v", dir, st.Uid, st.Gid, fi.Mode())
		}
	}
}
