package refs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/refs"
)

// FuzzReference: a name is refused as one, or means the same when it is read
// again as it is written.
func FuzzReference(f *testing.F) {
	for _, s := range []string{
		"debian", "ghcr.io/a/b:1", "debian@sha256:" + strings.Repeat("0", 64), "../../etc/passwd:1", "a:1\nb", "sha256:1", "UPPER", "a__b/c-d.e:T_1",
		"localhost:5000/x:1@sha256:" + strings.Repeat("a", 64), "[::1]:80/x", strings.Repeat("a/", 200) + "b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		named, err := refs.Parse(s)
		if err != nil {
			if !errors.Is(err, refs.ErrInvalid) || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v", s, err)
			}
		} else if again, err := refs.Parse(named.String()); err != nil || again.String() != named.String() {
			t.Errorf("%q is %s, and then %v (%v)", s, named, again, err)
		}
		tag, err := refs.ParseTag(s)
		if err != nil {
			if !errors.Is(err, refs.ErrInvalid) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		again, err := refs.ParseTag(reference.FamiliarString(tag))
		if err != nil || again.String() != tag.String() || tag.Tag() == "" {
			t.Errorf("%q is tag %s, and then %v (%v)", s, tag, again, err)
		}
		for part := range strings.SplitSeq(tag.Name(), "/") {
			if part == "" || part == "." || part == ".." {
				t.Errorf("%q has the name %s", s, tag.Name())
			}
		}
	})
}
