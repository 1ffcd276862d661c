package blobs_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/blobs"
)

func begin(t *testing.T, s *blobs.Store, d digest.Digest, text string) *blobs.Partial {
	t.Helper()
	p, err := s.Begin(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(p, text); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPartialBlobIsFoundAgainUntilItIsKeptOrDiscarded(t *testing.T) {
	s, d := blobs.Of(t.TempDir()), digest.FromString("text")
	if err := begin(t, s, d, "te").Close(); err != nil {
		t.Fatal(err)
	}
	p := begin(t, s, d, "xt")
	if text, err := io.ReadAll(p.Reader()); string(text) != "text" || err != nil || p.Have() != 4 {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := s.Open(d); !errors.Is(err, blobs.ErrMissing) {
		t.Errorf("it is kept already: %v", err)
	}
	if err := p.Keep(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Keep(), p.Discard()); err != nil { // both have nothing to do
		t.Fatal(err)
	}
	f, err := s.Open(d)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err := io.ReadAll(f); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	p = begin(t, s, d, "")
	if p.Have() != 0 {
		t.Errorf("%d bytes are left", p.Have())
	}
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
}

func TestAPartialBlobHasOneUserAtATime(t *testing.T) {
	s, d := blobs.Of(t.TempDir()), digest.FromString("text")
	p := begin(t, s, d, "te")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Begin(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	got := make(chan *blobs.Partial)
	go func() {
		p, _ := s.Begin(context.Background(), d)
		got <- p
	}()
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
	next := <-got
	if next == nil || next.Have() != 0 {
		t.Fatal("the next one has what was discarded")
	}
	if err := next.Keep(); err != nil { // it is the file that lies there, and no other
		t.Error(err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

func TestAWholeBlobIsSharedAndGoesWithItsLastUser(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		s, d := blobs.Of(t.TempDir()), digest.FromString("text")
		p := begin(t, s, d, "text")
		if other, err := s.Claim(d); other != nil || err != nil {
			t.Fatalf("claimed while it is written: %v", err)
		}
		if ok, err := p.Share(); !ok || err != nil {
			t.Fatalf("not shared: %v", err)
		}
		other, err := s.Begin(context.Background(), d)
		if err != nil || !other.Shared() || other.Have() != 4 {
			t.Fatalf("%v", err)
		}
		if third, err := s.Claim(d); third != nil || err != nil {
			t.Fatalf("claimed while it is shared: %v", err)
		}
		if _, err := s.Sweep(func(digest.Digest) bool { return true }, 0, false); err != nil {
			t.Fatal(err)
		}
		if err := p.Discard(); err != nil {
			t.Fatal(err)
		}
		if keeps {
			if err := other.Keep(); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := io.ReadAll(other.Reader()); string(text) != "text" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		if err := other.Discard(); err != nil {
			t.Fatal(err)
		}
		f, err := s.Open(d)
		if (err == nil) != keeps {
			t.Errorf("kept: %v", err)
		}
		if err == nil {
			f.Close()
		}
		next := begin(t, s, d, "")
		if next.Have() != 0 || next.Shared() {
			t.Errorf("%d bytes are left", next.Have())
		}
		if err := next.Discard(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsNoDigestHasNoBlob(t *testing.T) {
	root := t.TempDir()
	s := blobs.Of(root)
	for _, d := range []digest.Digest{"", "sha256:../../x", "x", "sha256:" + digest.Digest(make([]byte, 64))} {
		if _, err := s.Begin(context.Background(), d); err == nil {
			t.Errorf("%q: begun", d)
		}
		if _, err := s.Open(d); err == nil || errors.Is(err, blobs.ErrMissing) {
			t.Errorf("%q: %v", d, err)
		}
		if err := s.Note(d, blobs.Record{}, ""); err == nil {
			t.Errorf("%q: noted", d)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(root, "*")); len(left) != 0 {
		t.Errorf("made: %v", left)
	}
}

func TestWhatLiesInPlaceOfABlobIsNotFollowedNorWaitedFor(t *testing.T) {
	root := t.TempDir()
	s, d := blobs.Of(root), digest.FromString("text")
	p := begin(t, s, d, "text")
	if err := errors.Join(p.Keep(), p.Close()); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(root, "bulkhead/blobs/kept/sha256", d.Encoded())
	secret := filepath.Join(root, "secret")
	if err := os.WriteFile(secret, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(kept), os.Symlink(secret, kept)); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Open(d); err == nil {
		f.Close()
		t.Error("a link was followed")
	}
}

func TestARecordRemembersWhereLayersAre(t *testing.T) {
	s, id := blobs.Of(t.TempDir()), digest.FromString("image")
	if _, err := s.Record(id); !errors.Is(err, blobs.ErrMissing) {
		t.Errorf("%v", err)
	}
	note := func(manifest, repository string, proven ...int) {
		t.Helper()
		if err := s.Note(id, blobs.Record{MediaType: "m", Manifest: manifest, Proven: proven}, repository); err != nil {
			t.Fatal(err)
		}
	}
	note("<one>\n", "a/x", 1)
	note("<one>\n", "b/y", 0, 1)
	note("<one>\n", "", 1)
	note("<one>\n", "a/x")
	r, err := s.Record(id)
	if err != nil || r.Manifest != "<one>\n" || !slices.Equal(r.Repositories, []string{"a/x", "b/y"}) || !slices.Equal(r.Proven, []int{0, 1}) {
		t.Errorf("%+v, %v", r, err)
	}
	note("two", "c/z")
	if r, err = s.Record(id); err != nil || !slices.Equal(r.Repositories, []string{"c/z"}) || r.Proven != nil {
		t.Errorf("another manifest: %+v, %v", r, err)
	}
}

func TestSweepRemovesWhatNothingNeeds(t *testing.T) {
	root := t.TempDir()
	s := blobs.Of(root)
	if n, err := s.Sweep(nil, 0, false); n != 0 || err != nil {
		t.Fatalf("nothing there: %d, %v", n, err)
	}
	needed, lost := digest.FromString("needed"), digest.FromString("lost")
	for _, d := range []digest.Digest{needed, lost} {
		p := begin(t, s, d, "12345")
		if err := errors.Join(p.Keep(), p.Close()); err != nil {
			t.Fatal(err)
		}
	}
	there, away := digest.FromString("there"), digest.FromString("away")
	for id, d := range map[digest.Digest]digest.Digest{there: needed, away: lost} {
		if err := s.Note(id, blobs.Record{Manifest: `{"layers":[{"digest":"` + d.String() + `"}]}`}, ""); err != nil {
			t.Fatal(err)
		}
	}
	old, recent, used := digest.FromString("old"), digest.FromString("recent"), digest.FromString("used")
	for _, d := range []digest.Digest{old, recent} {
		if err := begin(t, s, d, "123").Close(); err != nil {
			t.Fatal(err)
		}
	}
	defer begin(t, s, used, "123").Close()
	long := time.Now().Add(-time.Hour)
	for _, d := range []digest.Digest{old, used} {
		if err := os.Chtimes(filepath.Join(root, "bulkhead/blobs/partial/sha256", d.Encoded()), long, long); err != nil {
			t.Fatal(err)
		}
	}
	for _, dry := range []bool{true, false} {
		freed, err := s.Sweep(func(id digest.Digest) bool { return id == there }, time.Minute, dry)
		if freed != 8 || err != nil {
			t.Errorf("%d bytes, %v", freed, err)
		}
		if ids, _ := s.Recorded(); len(ids) != 2 && dry {
			t.Errorf("only told, and there are %d records", len(ids))
		}
	}
	if f, err := s.Open(needed); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	if _, err := s.Open(lost); !errors.Is(err, blobs.ErrMissing) {
		t.Errorf("%v", err)
	}
	if ids, _ := s.Recorded(); !slices.Equal(ids, []digest.Digest{there}) {
		t.Errorf("records of %v", ids)
	}
	left, _ := filepath.Glob(filepath.Join(root, "bulkhead/blobs/partial/sha256/*"))
	if len(left) != 2 {
		t.Errorf("downloads: %v", left)
	}
}

func TestARecordThatWasNotFinishedIsSweptWhenItIsOld(t *testing.T) {
	root := t.TempDir()
	s := blobs.Of(root)
	id := digest.FromString("image")
	if err := s.Note(id, blobs.Record{Manifest: "{}"}, ""); err != nil {
		t.Fatal(err)
	}
	old, recent := filepath.Join(root, "bulkhead/blobs/manifests/.bulkhead-tmp-1"), filepath.Join(root, "bulkhead/blobs/manifests/.bulkhead-tmp-2")
	long := time.Now().Add(-time.Hour)
	for _, path := range []string{old, recent} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		found, err := filepath.Glob(filepath.Join(root, "bulkhead/blobs/manifests/.bulkhead-tmp-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for _, step := range []struct {
		age  time.Duration
		dry  bool
		left int
	}{{0, true, 2}, {time.Minute, false, 1}, {0, false, 0}} {
		if _, err := s.Sweep(func(digest.Digest) bool { return true }, step.age, step.dry); err != nil {
			t.Fatal(err)
		}
		if n := left(); n != step.left {
			t.Errorf("after %+v: %d halves", step, n)
		}
	}
	if _, err := s.Record(id); err != nil {
		t.Error(err)
	}
}
