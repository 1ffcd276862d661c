package v1_test

import (
	"bytes"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

var (
	blob   = digest.FromString("blob")
	parent = digest.FromString("parent")
)

func TestAConfigIsHashedWithoutWhatDependsOnItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ v1Config, want string }{
		"as it came since 1.8.3": {
			`{"id":"i","parent":"p","Size":5,"x":[1, 2],"docker_version":"1.8.3","created":"2015-08-19T16:49:11Z"}`,
			`{"created":"2015-08-19T16:49:11Z","docker_version":"1.8.3","layer_id":"` + blob.String() + `","parent_id":"` + parent.String() + `","x":[1,2]}`,
		},
		"written again before": {
			`{"id":"i","Size":5,"x":1,"docker_version":"1.8.2","author":"","created":"2015-08-19T16:49:11.000Z","container_config":{"Cmd":["c"],"PublishService":"","Labels":{}}}`,
			`{"container_config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,` +
				`"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["c"],"Image":"","Volumes":null,"WorkingDir":"",` +
				`"Entrypoint":null,"OnBuild":null,"Labels":{}},"created":"2015-08-19T16:49:11Z","docker_version":"1.8.2",` +
				`"layer_id":"` + blob.String() + `","parent_id":"` + parent.String() + `"}`,
		},
	} {
		got, err := v1.MakeConfig([]byte(c.v1Config), blob, parent)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s\n%s", name, err, got, c.want)
		}
	}
}

func TestVersionsBefore183AreWrittenAgain(t *testing.T) {
	for version, again := range map[string]bool{
		"": true, "0.6.7": true, "1.8.2": true, "1.8": true, "1.8.3-dev": true, "x": true,
		"1.8.3": false, "1.8.3.1": false, "1.9.0-dev": false, "1.10": false, "2": false,
	} {
		got, err := v1.MakeConfig([]byte(`{"docker_version":"`+version+`","unknown":1}`), blob, "")
		if err != nil || bytes.Contains(got, []byte("unknown")) == again {
			t.Errorf("%q: %s (%v)", version, got, err)
		}
	}
}

func TestNoStrongIDIsMadeOfNonsense(t *testing.T) {
	f := newFixture(t)
	for _, bad := range []string{"", "[]", "{", `{"created":"x"}`, `{"docker_version":"1.9"} {}`} {
		_, err := v1.MakeConfig([]byte(bad), blob, "")
		f.want(err, image.ErrInvalidConfig)
	}
	for _, bad := range [][2]digest.Digest{{"", parent}, {"sha256:1", parent}, {blob, "sha256:1"}} {
		if got, err := v1.MakeConfig([]byte(`{"docker_version":"1.9"}`), bad[0], bad[1]); err == nil {
			t.Errorf("%s", got)
		}
	}
	for _, bare := range []string{`{}`, `null`} {
		if _, err := v1.MakeConfig([]byte(bare), blob, ""); err != nil {
			t.Errorf("an image of %s without a parent: %v", bare, err)
		}
	}
}

func (f *fixture) strong(text string, parent *v1.StrongImage) *v1.StrongImage {
	f.Helper()
	s, err := v1.NewStrongImage([]byte(text), blob, parent)
	f.must(err)
	return s
}

// chain is a chain of two, whose v1 IDs are 1 and 2.
func (f *fixture) chain() []*v1.StrongImage {
	base := f.strong(`{"id":"`+id("1")+`","docker_version":"1.9.0"}`, nil)
	return []*v1.StrongImage{base, f.strong(`{"id":"`+id("2")+`","parent":"`+id("1")+`","docker_version":"1.9.0"}`, base)}
}

func TestAnImageIsRegisteredUnderItsStrongID(t *testing.T) {
	f := newFixture(t)
	for range 2 { // the second time all is there, and right
		chain := f.chain()
		f.must(f.graph.ReuseIDs(ctx, chain))
		for _, s := range chain {
			if s.ID() != s.StrongID().Encoded() {
				t.Errorf("%s is not %s", s.ID(), s.StrongID())
			}
			f.must(f.graph.RegisterStrong(ctx, s, bytes.NewReader(archive("file", "x"))))
		}
		if raw, err := f.graph.RawJSON(chain[1].ID()); err != nil || digest.FromBytes(raw) != chain[1].StrongID() {
			t.Errorf("%s (%v)", raw, err)
		}
		if img, err := f.graph.Get(ctx, chain[1].ID()); err != nil || img.Parent != chain[0].ID() || img.LayerID != blob {
			t.Errorf("%+v (%v)", img, err)
		}
	}
	if images, err := f.graph.Map(ctx); err != nil || len(images) != 2 {
		t.Errorf("%v (%v)", images, err)
	}
}

// old stores an image of a chain under its v1 ID, as a pull of old did.
func (f *fixture) old(s *v1.StrongImage, parent, text string, d digest.Digest) {
	f.Helper()
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: s.CompatibilityID(), Parent: parent, DockerVersion: "1.9.0"}), nil))
	f.must(f.graph.SetLayerDigest(ctx, s.CompatibilityID(), d))
	f.must(f.graph.SetV1CompatibilityConfig(ctx, s.CompatibilityID(), []byte(text)))
}

func TestOldIDsAreReusedAsFarAsTheyProveRight(t *testing.T) {
	one, two := `{"id":"`+id("1")+`","docker_version":"1.9.0"}`, `{"id":"`+id("2")+`","parent":"`+id("1")+`","docker_version":"1.9.0"}`
	for name, c := range map[string]struct {
		digests [2]digest.Digest
		reused  int
	}{
		"both":               {[2]digest.Digest{blob, blob}, 2},
		"the lower one":      {[2]digest.Digest{blob, parent}, 1},
		"none above a wrong": {[2]digest.Digest{parent, blob}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			chain := f.chain()
			f.old(chain[0], "", one, c.digests[0])
			f.old(chain[1], id("1"), two, c.digests[1])
			f.must(f.graph.ReuseIDs(ctx, chain))
			above := ""
			for i, s := range chain {
				want := s.StrongID().Encoded()
				if i < c.reused {
					want = s.CompatibilityID()
				}
				if s.ID() != want || s.Parent() != above {
					t.Errorf("%d: %s on %q, not %s on %q", i, s.ID(), s.Parent(), want, above)
				}
				above = s.ID()
			}
		})
	}
}

func TestAStrongIDThatIsTakenGivesWayToItsDigest(t *testing.T) {
	f := newFixture(t)
	taken := f.chain()[0].ID()
	next := digest.FromString(taken).Encoded()
	f.register(taken, "")
	chain := f.chain()
	f.must(f.graph.ReuseIDs(ctx, chain))
	if chain[0].ID() != next || chain[1].Parent() != next || chain[1].ID() != chain[1].StrongID().Encoded() {
		t.Errorf("%s, %s on %s", chain[0].ID(), chain[1].ID(), chain[1].Parent())
	}
	f.must(f.graph.RegisterStrong(ctx, chain[0], nil))
	again := f.chain()
	f.must(f.graph.ReuseIDs(ctx, again)) // it is found there, and right
	if again[0].ID() != next {
		t.Errorf("%s", again[0].ID())
	}
	f.must(f.graph.SetLayerDigest(ctx, next, parent)) // now it is not
	third := f.chain()
	f.must(f.graph.ReuseIDs(ctx, third))
	if want := digest.FromString(next).Encoded(); third[0].ID() != want {
		t.Errorf("%s, not %s", third[0].ID(), want)
	}
}
