package graphdriver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

type named struct {
	graphdriver.Driver
	name string
}

func (n named) String() string { return n.name }

// registry has a driver per name; those in fail return that error.
func registry(t *testing.T, fail map[string]error, names ...string) *graphdriver.Registry {
	t.Helper()
	r := &graphdriver.Registry{}
	for _, name := range names {
		name, third := strings.CutPrefix(name, "3rd:")
		err := r.Register(graphdriver.Registration{Name: name, ThirdParty: third, Init: func(context.Context, string) (graphdriver.Driver, error) {
			if err := fail[name]; err != nil {
				return nil, err
			}
			return named{name: name}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestRegisterRefusesANameThatIsTaken(t *testing.T) {
	r := registry(t, nil, "vfs")
	if err := r.Register(graphdriver.Registration{Name: "vfs"}); !errors.Is(err, graphdriver.ErrExists) {
		t.Fatalf("second registration: %v", err)
	}
}

func TestSelection(t *testing.T) {
	broken := errors.New("broken")
	unfit := map[string]error{"a": graphdriver.ErrNotSupported, "b": graphdriver.ErrPrerequisites, "c": graphdriver.ErrIncompatibleFS}
	for _, test := range []struct {
		name     string
		drivers  []string
		fail     map[string]error
		priors   []string
		ask      string
		priority []string
		want     string
		err      error
		says     string
	}{
		{name: "the one named wins over priors", drivers: []string{"a", "b"}, priors: []string{"b"}, ask: "a", want: "a"},
		{name: "an unknown name is not supported", drivers: []string{"a"}, ask: "z", err: graphdriver.ErrNotSupported, says: `"z"`},
		{name: "the one named that fails is not replaced", drivers: []string{"a", "b"}, fail: unfit, ask: "a", err: graphdriver.ErrNotSupported},
		{name: "a prior wins over priority", drivers: []string{"a", "b"}, priors: []string{"b"}, priority: []string{"a"}, want: "b"},
		{name: "vfs is never a prior", drivers: []string{"vfs", "a"}, priors: []string{"vfs"}, priority: []string{"a"}, want: "a"},
		{name: "several priors are listed", drivers: []string{"a", "b"}, priors: []string{"a", "b"}, err: graphdriver.ErrInvalid, says: "a, b"},
		{name: "a prior that fails is fatal, even if not supported", drivers: []string{"a", "b"}, fail: unfit, priors: []string{"a"}, priority: []string{"b"}, err: graphdriver.ErrNotSupported, says: "prior storage driver a"},
		{name: "a third-party prior asks for --driver", drivers: []string{"3rd:x", "a"}, priors: []string{"x"}, err: graphdriver.ErrInvalid, says: "--driver x"},
		{name: "a third-party driver can be named", drivers: []string{"3rd:x", "a"}, ask: "x", want: "x"},
		{name: "priority order", drivers: []string{"a", "d", "e"}, priority: []string{"e", "d"}, want: "e"},
		{name: "unsuitable drivers are passed over", drivers: []string{"a", "b", "c", "d"}, fail: unfit, priority: []string{"a", "b", "c"}, want: "d"},
		{name: "another failure is final", drivers: []string{"a", "d"}, fail: map[string]error{"a": broken}, priority: []string{"a"}, err: broken},
		{name: "a third-party driver is never chosen by itself", drivers: []string{"3rd:x"}, err: graphdriver.ErrNoBackend, says: "no supported storage backend found"},
		{name: "nothing works", drivers: []string{"a"}, fail: unfit, err: graphdriver.ErrNoBackend, says: "no supported storage backend found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			for _, p := range test.priors {
				if err := os.Mkdir(filepath.Join(root, p), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			r := registry(t, test.fail, test.drivers...)
			d, err := r.New(context.Background(), graphdriver.Selection{Root: root, Name: test.ask, Priority: test.priority})
			if !errors.Is(err, test.err) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error %v, want %v saying %q", err, test.err, test.says)
			}
			if err == nil && d.String() != test.want {
				t.Fatalf("chose %s, want %s", d, test.want)
			}
		})
	}
}

func TestNormalizeChangesAddsDirectoriesThatHoldAChange(t *testing.T) {
	got := graphdriver.NormalizeChanges([]graphdriver.Change{
		{Path: "/b/c/d", Kind: graphdriver.Added}, {Path: "/a", Kind: graphdriver.Deleted}, {Path: "/b/c/d", Kind: graphdriver.Added},
	})
	want := "[D /a C /b C /b/c A /b/c/d]"
	if s := strings.Trim(strings.Join(strings.Fields(sprint(got)), " "), " "); s != want {
		t.Fatalf("got %s, want %s", s, want)
	}
}

func sprint(cs []graphdriver.Change) string {
	var parts []string
	for _, c := range cs {
		parts = append(parts, c.String())
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func TestValidateID(t *testing.T) {
	for _, ok := range []string{"a", strings.Repeat("f", 64), strings.Repeat("f", 64) + "-init", "Base.Layer_1"} {
		if err := graphdriver.ValidateID(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "-x", ".x", "a\x00", "é", strings.Repeat("a", 201), "a\n"} {
		if err := graphdriver.ValidateID(bad); !errors.Is(err, graphdriver.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
