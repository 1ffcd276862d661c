package mount

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func pinned(fds ...int) []*Pinned {
	var all []*Pinned
	for _, fd := range fds {
		all = append(all, &Pinned{fd: fd, name: "/x"})
	}
	return all
}

func TestSpecsThatCannotBeAreRefused(t *testing.T) {
	one, two := pinned(10), pinned(10, 11)
	up, work := pinned(20)[0], pinned(21)[0]
	for name, test := range map[string]struct {
		spec Spec
		want error
	}{
		"nothing":               {Spec{}, graphdriver.ErrInvalid},
		"an unknown kind":       {Spec{Kind: 9, Lower: one}, graphdriver.ErrInvalid},
		"a bind of nothing":     {Spec{Kind: Bind}, graphdriver.ErrInvalid},
		"a bind of two":         {Spec{Kind: Bind, Lower: two}, graphdriver.ErrInvalid},
		"a bind of both sorts":  {Spec{Kind: Bind, Lower: one, Upper: up}, graphdriver.ErrInvalid},
		"a bind with work":      {Spec{Kind: Bind, Upper: up, Work: work}, graphdriver.ErrInvalid},
		"a bind with userxattr": {Spec{Kind: Bind, Lower: one, UserXattr: true}, graphdriver.ErrInvalid},
		"a bind with a label":   {Spec{Kind: Bind, Lower: one, Label: "a:b"}, graphdriver.ErrInvalid},
		"one layer and a label": {Spec{Kind: Overlay, Lower: one, Label: "a:b"}, graphdriver.ErrInvalid},
		"an overlay of nothing": {Spec{Kind: Overlay}, graphdriver.ErrInvalid},
		"no lower":              {Spec{Kind: Overlay, Upper: up, Work: work}, graphdriver.ErrInvalid},
		"an upper, no work":     {Spec{Kind: Overlay, Lower: one, Upper: up}, graphdriver.ErrInvalid},
		"work, no upper":        {Spec{Kind: Overlay, Lower: one, Work: work}, graphdriver.ErrInvalid},
		"501 layers":            {Spec{Kind: Overlay, Lower: pinned(make([]int, 501)...)}, graphdriver.ErrLimit},
		"a label with a quote":  {Spec{Kind: Overlay, Lower: two, Label: `a",upperdir=/`}, graphdriver.ErrInvalid},
		"a label with a line":   {Spec{Kind: Overlay, Lower: two, Label: "a\nb"}, graphdriver.ErrInvalid},
		"a label too long":      {Spec{Kind: Overlay, Lower: two, Label: strings.Repeat("a", 256)}, graphdriver.ErrInvalid},
	} {
		if err := test.spec.check(); !errors.Is(err, test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spec := range map[string]Spec{
		"a bind": {Kind: Bind, Lower: one}, "a writable bind": {Kind: Bind, Upper: up},
		"one": {Kind: Overlay, Lower: one}, "one and an upper": {Kind: Overlay, Lower: one, Upper: up, Work: work, Label: "a:b:c:d,e", UserXattr: true},
	} {
		if err := spec.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllOptionsReachTheKernelInBothForms(t *testing.T) {
	const label = "system_u:object_r:container_file_t:s0:c1,c2"
	s := Spec{Kind: Overlay, Lower: pinned(12, 13), Upper: pinned(14)[0], Work: pinned(15)[0], Label: label, UserXattr: true}
	var keys []string
	for _, o := range s.options() {
		keys = append(keys, o.key+"="+o.value)
	}
	if want := []string{"lowerdir+=", "lowerdir+=", "upperdir=", "workdir=", "redirect_dir=nofollow", "metacopy=off", "index=off", "userxattr=", "context=" + label}; !slices.Equal(keys, want) {
		t.Errorf("%q", keys)
	}
	got, err := s.callOptions()
	if want := `lowerdir=12:13,upperdir=14,workdir=15,redirect_dir=nofollow,metacopy=off,index=off,userxattr,context="` + label + `"`; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	fds := make([]int, MaxLowers)
	for i := range fds {
		fds[i] = 999_000 + i // as many as a process may open
	}
	s.Lower, s.Label = pinned(fds...), strings.Repeat("l", 255)
	if got, err := s.callOptions(); err != nil || len(got) > maxOptions {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for i := range fds {
		fds[i] = 1_000_000_000 + i
	}
	s.Lower = pinned(fds...)
	if _, err := s.callOptions(); !errors.Is(err, graphdriver.ErrLimit) {
		t.Errorf("more than a page: %v", err)
	}
}

// Without SELinux a label is an error that says so; with it, it is in force.
func TestALabelReachesTheKernel(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1")
		s := h.overlay("up", "1")
		s.Label = "system_u:object_r:container_file_t:s0:c1,c2"
		id, err := mountBy(context.Background(), w, s, h.mkdir("m"))
		if err != nil {
			if !errors.Is(err, graphdriver.ErrNotSupported) || !strings.Contains(err.Error(), "SELinux") {
				t.Error(err)
			}
			return
		}
		table, err := ReadTable()
		must(t, err)
		if e, _ := table.ByID(id.Mount); !strings.Contains(e.Super, "container_file_t") {
			t.Errorf("%+v", e)
		}
	})
}
