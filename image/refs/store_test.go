package refs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/refs"
)

var (
	idA = digest.FromString("a")
	idB = digest.FromString("b")
)

func parse(t *testing.T, s string) reference.Named {
	t.Helper()
	ref, err := refs.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func open(t *testing.T, path string) *refs.Store {
	t.Helper()
	s, err := refs.Open(path, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func set(s *refs.Store, ref reference.Named, id digest.Digest, force bool) error {
	return s.Update(func(e *refs.Edit) error {
		_, err := e.Set(ref, id, force)
		return err
	})
}

func TestNamesOfEveryFormAreKeptAndFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repositories.json")
	s := open(t, path)
	dgst := "@sha256:" + strings.Repeat("d", 64)
	for _, name := range []string{"app", "app:1", "docker.io/team/app:1", "localhost:5000/app:1", "app" + dgst, "app:2" + dgst} {
		if err := set(s, parse(t, name), idA, false); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, path)
	for _, name := range []string{"app:latest", "app", "docker.io/library/app:1", "team/app:1", "localhost:5000/app:1", "app" + dgst, "app:9" + dgst} {
		if id, err := s.Get(parse(t, name)); err != nil || id != idA {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
	if n := len(s.References(idA)); n != 5 {
		t.Errorf("%d references, want 5", n)
	}
	if n := len(s.ByName(parse(t, "app"))); n != 3 {
		t.Errorf("%d in the repository, want 3", n)
	}
}

func TestTakenNamesNeedForceAndTakenDigestsStay(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "r.json"))
	tag, dgst := parse(t, "app:1"), parse(t, "app@sha256:"+strings.Repeat("d", 64))
	for _, ref := range []reference.Named{tag, dgst} {
		if err := set(s, ref, idA, false); err != nil {
			t.Fatal(err)
		}
		if err := set(s, ref, idA, false); err != nil {
			t.Errorf("the same again: %v", err)
		}
		if err := set(s, ref, idB, false); !errors.Is(err, refs.ErrConflict) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := set(s, tag, idB, true); err != nil {
		t.Error(err)
	}
	if err := set(s, dgst, idB, true); !errors.Is(err, refs.ErrConflict) {
		t.Error(err)
	}
}

func TestFailedUpdateChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	s := open(t, path)
	stop := errors.New("stop")
	err := s.Update(func(e *refs.Edit) error {
		if _, err := e.Set(parse(t, "app:1"), idA, false); err != nil {
			t.Fatal(err)
		}
		return stop
	})
	if !errors.Is(err, stop) || len(s.All()) != 0 {
		t.Errorf("%v, %v", err, s.All())
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file was written")
	}
	if err := s.Update(func(e *refs.Edit) error { return e.Delete(parse(t, "app:1")) }); !errors.Is(err, refs.ErrNotFound) {
		t.Error(err)
	}
}

func TestWhatIsNotUnderstoodIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	odd := `{"Repositories":{"ODD":{"ODD:1":"` + idA.String() + `"},"app":{"app:1":"no digest"}}}`
	if err := os.WriteFile(path, []byte(odd), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if all := s.All(); len(all) != 0 {
		t.Errorf("%v", all)
	}
	if err := set(s, parse(t, "b:1"), idB, false); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), `"ODD:1"`) || !strings.Contains(string(data), `"no digest"`) {
		t.Errorf("%s (%v)", data, err)
	}
}

func TestLastReferenceTakesItsRepositoryWithIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	s := open(t, path)
	if err := set(s, parse(t, "app:1"), idA, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(e *refs.Edit) error { return e.Delete(parse(t, "app:1")) }); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != `{"Repositories":{}}` {
		t.Errorf("%s (%v)", data, err)
	}
}

func FuzzRepositories(f *testing.F) {
	f.Add([]byte(`{"Repositories":{"app":{"app:1":"` + idA.String() + `","app@sha256:x":"y"},"b":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "r.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := refs.Open(path, false)
		if err != nil {
			return
		}
		before := len(s.All())
		ref, err := refs.Parse("new.example/x:1")
		if err != nil {
			t.Fatal(err)
		}
		if err := set(s, ref, idB, true); err != nil {
			t.Fatal(err)
		}
		again, err := refs.Open(path, true)
		if err != nil || len(again.All()) < before {
			t.Errorf("%d names became %v (%v)", before, again, err)
		}
	})
}
