package graphtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// contractCases are what the interfaces say of single calls.
func contractCases() []testCase {
	return []testCase{
		{name: "CreateOfAnExistingIDIsRefused", run: createTwice},
		{name: "CreateOnAMissingParentLeavesNothing", run: missingParent},
		{name: "UnknownIDs", run: unknownIDs},
		{name: "InvalidIDsAreRefused", run: invalidIDs},
		{name: "UnknownStorageOptionsAreRefused", run: unknownOptions},
		{name: "GetNests", run: getNests},
		{name: "ReadWriteLayersCanBeChanged", run: readWrite},
		{name: "SurvivesARestart", run: survivesRestart},
		{name: "RemoveIsWhole", run: removeIsWhole},
		{name: "ApplyDiffReadsToTheEndAndSizesFiles", run: applyReads},
		{name: "BrokenArchivesAreRefused", run: brokenArchives},
		{name: "ApplyDiffStopsWhenCancelled", run: applyCancelled},
		{name: "GetterReadsWhatTheArchiveBrought", run: getter},
	}
}

func createTwice(s *suite) {
	s.layer("a", "", File("f", "x"))
	err := s.d.Create(s.ctx(), "a", "", graphdriver.CreateOptions{})
	if !errors.Is(err, graphdriver.ErrExists) {
		s.Fatalf("second create: %v", err)
	}
	if err := s.d.CreateReadWrite(s.ctx(), "a", "", graphdriver.CreateOptions{}); !errors.Is(err, graphdriver.ErrExists) {
		s.Fatalf("read-write create of the same id: %v", err)
	}
	if len(s.tree("a")) != 1 {
		s.Fatal("the refused create changed the layer")
	}
}

func missingParent(s *suite) {
	err := s.d.Create(s.ctx(), "a", "nowhere", graphdriver.CreateOptions{})
	if !errors.Is(err, graphdriver.ErrNotFound) {
		s.Fatalf("create on a missing parent: %v", err)
	}
	exists, err := s.d.Exists(s.ctx(), "a")
	s.ok(err)
	if exists {
		s.Fatal("the failed create left a layer")
	}
	s.create("a", "")
}

func unknownIDs(s *suite) {
	s.ok(s.d.Remove(s.ctx(), "none"))
	s.ok(s.d.Put(s.ctx(), "none"))
	exists, err := s.d.Exists(s.ctx(), "none")
	s.ok(err)
	if exists {
		s.Error("an unknown layer exists")
	}
	if _, err := s.d.GetMetadata(s.ctx(), "none"); !errors.Is(err, graphdriver.ErrNotFound) {
		s.Errorf("metadata: %v", err)
	}
	if _, err := s.d.Get(s.ctx(), "none", ""); !errors.Is(err, graphdriver.ErrNotFound) {
		s.Errorf("get: %v", err)
	}
	if _, err := s.d.Changes(s.ctx(), "none", ""); !errors.Is(err, graphdriver.ErrNotFound) {
		s.Errorf("changes: %v", err)
	}
	if r, err := s.d.Diff(s.ctx(), "none", ""); err == nil {
		_, err = io.ReadAll(r)
		if !errors.Is(err, graphdriver.ErrNotFound) {
			s.Errorf("diff: %v", err)
		}
		r.Close()
	} else if !errors.Is(err, graphdriver.ErrNotFound) {
		s.Errorf("diff: %v", err)
	}
	if _, err := s.apply("none", ""); err == nil {
		s.Error("an archive was applied to an unknown layer")
	}
	if _, err := s.d.Status(s.ctx()); err != nil {
		s.Error(err)
	}
	s.ok(s.d.Cleanup(s.ctx()))
}

func invalidIDs(s *suite) {
	for _, id := range []string{"", "..", "a/b", "../x", "/abs", ".hidden", "a\x00b", strings.Repeat("a", 300)} {
		if err := s.d.Create(s.ctx(), id, "", graphdriver.CreateOptions{}); err == nil {
			s.Errorf("create %q succeeded", id)
		}
		if err := s.d.Create(s.ctx(), "child", id, graphdriver.CreateOptions{}); err == nil && id != "" {
			s.Errorf("create on %q succeeded", id)
		}
		if err := s.d.Remove(s.ctx(), id); err == nil && id != "" {
			s.Errorf("remove %q succeeded", id)
		}
	}
}

func unknownOptions(s *suite) {
	opts := graphdriver.CreateOptions{StorageOpt: map[string]string{"no-such-option": "1"}}
	if err := s.d.CreateReadWrite(s.ctx(), "a", "", opts); err == nil {
		s.Fatal("an option that means nothing was taken")
	}
	exists, err := s.d.Exists(s.ctx(), "a")
	s.ok(err)
	if exists {
		s.Fatal("the refused create left a layer")
	}
}

func getNests(s *suite) {
	s.layer("a", "", File("f", "x"))
	first, err := s.d.Get(s.ctx(), "a", "")
	s.ok(err)
	second, err := s.d.Get(s.ctx(), "a", "")
	s.ok(err)
	if first != second || !filepath.IsAbs(first) {
		s.Fatalf("%q, then %q", first, second)
	}
	s.ok(s.d.Put(s.ctx(), "a"))
	if _, err := os.Stat(filepath.Join(first, "f")); err != nil {
		s.Fatalf("one Put undid two Gets: %v", err)
	}
	s.ok(s.d.Put(s.ctx(), "a"))
	s.ok(s.d.Put(s.ctx(), "a"))
}

func readWrite(s *suite) {
	s.layer("base", "", base()...)
	s.ok(s.d.CreateReadWrite(s.ctx(), "rw", "base", graphdriver.CreateOptions{}))
	s.in("rw", func(dir string) {
		s.ok(os.WriteFile(filepath.Join(dir, "etc/new"), []byte("n"), 0o644))
		s.ok(os.Remove(filepath.Join(dir, "etc/passwd")))
	})
	s.wantChanges("rw", "base", "C /etc", "A /etc/new", "D /etc/passwd")
	if _, ok := s.tree("base")["etc/passwd"]; !ok {
		s.Fatal("a child's change reached its parent")
	}
}

func survivesRestart(s *suite) {
	s.layer("base", "", base()...)
	s.layer("child", "base", File("f", "1"), Whiteout("etc/passwd"))
	before, diff := s.tree("child"), s.diff("child", "base")
	s.restart()
	if d := Differences(before, s.tree("child")); len(d) > 0 {
		s.Fatalf("after a restart: %v", d)
	}
	if !bytes.Equal(diff, s.diff("child", "base")) {
		s.Fatal("the diff is another after a restart")
	}
	s.travels("child", "base")
	if err := s.d.Create(s.ctx(), "child", "", graphdriver.CreateOptions{}); !errors.Is(err, graphdriver.ErrExists) {
		s.Fatalf("create after a restart: %v", err)
	}
}

func removeIsWhole(s *suite) {
	s.layer("a", "", append(base(), Dir("sealed").Mode(0o500), File("sealed/f", "x").Mode(0o400))...)
	s.ok(s.d.Remove(s.ctx(), "a"))
	s.layer("a", "", File("only", "x"))
	if got := s.tree("a"); len(got) != 1 {
		s.Fatalf("what was removed came back: %v", got)
	}
}

// counter counts what was read, and notes the end.
type counter struct {
	r   io.Reader
	n   int
	eof bool
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	c.eof = c.eof || err == io.EOF
	return n, err
}

func applyReads(s *suite) {
	b := append(Archive(s.T, File("a", "12345"), File("b", "123"), Link("c", "a"), Dir("d"), Symlink("s", "abc")), make([]byte, 20<<10)...)
	r := &counter{r: bytes.NewReader(b)}
	s.create("a", "")
	size, err := s.d.ApplyDiff(s.ctx(), "a", "", r)
	s.ok(err)
	if r.n != len(b) || !r.eof {
		s.Errorf("%d of %d bytes were read, end seen: %v", r.n, len(b), r.eof)
	}
	want := int64(8) // of regular files
	if graphdriver.CapabilitiesOf(s.d).Deltas {
		want += 3 // the symlink counts too
	}
	if size != want {
		s.Errorf("size %d, want %d", size, want)
	}
}

func brokenArchives(s *suite) {
	good := Archive(s.T, File("a", strings.Repeat("x", 4000)), Dir("d"), File("d/b", "y"))
	for name, b := range map[string][]byte{
		"truncated in a payload":     good[:2000],
		"truncated in a header":      good[:4900],
		"not a tar":                  bytes.Repeat([]byte("not a tar "), 400),
		"a path out of the layer":    Archive(s.T, File("../../out", "x")),
		"a link out of the layer":    Archive(s.T, Link("l", "../../../etc/passwd")),
		"a link to nothing":          Archive(s.T, Link("l", "nothing")),
		"a link to itself":           Archive(s.T, File("f", "x"), Link("f", "f")),
		"a payload removed again":    Archive(s.T, Dir("d"), File("d/f", "x"), Whiteout("d")),
		"a payload replaced":         Archive(s.T, Dir("d"), File("d/f", "x"), Symlink("d", "elsewhere")),
		"a payload behind a symlink": Archive(s.T, Dir("d"), Symlink("l", "d"), File("l/f", "x"), File("d/f", "y")),
		"the root as a file":         Archive(s.T, File(".", "x")),
	} {
		id := strings.ReplaceAll(name, " ", "-")
		s.create(id, "")
		if _, err := s.d.ApplyDiff(s.ctx(), id, "", bytes.NewReader(b)); !errors.Is(err, layertar.ErrRefused) {
			s.Errorf("%s: %v", name, err)
		}
		s.ok(s.d.Remove(s.ctx(), id))
	}
	if _, err := os.Lstat(filepath.Join(s.root, "out")); err == nil {
		s.Error("a file was written outside of the layer")
	}
	failing := errors.New("the source failed")
	s.create("failing", "")
	_, err := s.d.ApplyDiff(s.ctx(), "failing", "", io.MultiReader(bytes.NewReader(good[:1500]), failingReader{failing}))
	if !errors.Is(err, failing) {
		s.Errorf("a failing source: %v", err)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func applyCancelled(s *suite) {
	s.create("a", "")
	ctx, cancel := context.WithCancel(s.ctx())
	pr, pw := io.Pipe()
	b := Archive(s.T, many(500, func(i int) string { return fmt.Sprintf("%0512d", i) })...)
	go func() {
		pw.Write(b[:len(b)/2])
		cancel()
		time.Sleep(10 * time.Millisecond)
		pw.CloseWithError(context.Canceled)
	}()
	done := make(chan error, 1)
	go func() {
		_, err := s.d.ApplyDiff(ctx, "a", "", pr)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			s.Fatalf("cancelled apply: %v", err)
		}
	case <-time.After(30 * time.Second):
		s.Fatal("a cancelled apply does not return")
	}
	s.ok(s.d.Remove(s.ctx(), "a"))
}

func getter(s *suite) {
	g, ok := s.d.(graphdriver.DiffGetterDriver)
	if !ok {
		return // nothing is lacking: a store reads such a driver's files through Get
	}
	s.layer("base", "", Dir("real"), Symlink("link", "real"), Symlink("abs", "/real"))
	s.layer("a", "base", File("./x", "1"), File("/y", "2"), File("link/z", "3"), File("abs/w", "4"), Dir("d"), Symlink("d/s", "../x"))
	fg, err := g.DiffGetter(s.ctx(), "a")
	s.ok(err)
	for name, want := range map[string]string{"./x": "1", "/y": "2", "link/z": "3", "abs/w": "4"} {
		r, err := fg.Get(name)
		if err != nil {
			s.Errorf("%s: %v", name, err)
			continue
		}
		b, err := io.ReadAll(r)
		s.ok(err)
		s.ok(r.Close())
		if string(b) != want {
			s.Errorf("%s holds %q, want %q", name, b, want)
		}
	}
	for _, name := range []string{"nothing", "d", "d/s", "../a/x", "link"} {
		if r, err := fg.Get(name); err == nil {
			r.Close()
			s.Errorf("%q was given out", name)
		}
	}
	s.ok(fg.Close())
	s.ok(s.d.Remove(s.ctx(), "a"))
}
