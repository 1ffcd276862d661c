package layer

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// writingOut registers one layer, writes out in the middle of its archive and
// commits.
func writingOut(t *testing.T, b *bench) (written, committed error) {
	ses, err := b.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ses.Close(t.Context())
	data := archive(t, file{name: "1"}, file{name: "2"})
	middle := readerFunc(func([]byte) (int, error) {
		written = ses.WriteOut(t.Context())
		return 0, io.EOF
	})
	r := io.MultiReader(bytes.NewReader(data[:1024]), middle, bytes.NewReader(data[1024:]))
	l, err := ses.Register(t.Context(), r, "", RegisterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	committed = ses.Commit(t.Context())
	if committed == nil {
		_, err = b.Release(t.Context(), l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return written, committed
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWritingOutShowsNothingAndSavesNoSync(t *testing.T) {
	b, tr := traced(t, drivers["entries and getter"])
	if written, committed := writingOut(t, b); written != nil || committed != nil {
		t.Fatal(written, committed)
	}
	var order []string
	for _, line := range tr.lines {
		op, path, _ := strings.Cut(line, " ")
		if op == "syncfs" || line == "driver apply "+path || op == "rename" && strings.Contains(path, "sha256") && !strings.HasSuffix(path, "-removing") {
			order = append(order, op)
		}
	}
	if want := []string{"syncfs", "syncfs", "rename"}; !slices.Equal(order, want) {
		t.Errorf("got %v, want %v, in\n%s", order, want, strings.Join(tr.lines, "\n"))
	}
}

// The kernel tells of a lost write once, and so does the disk here.
func TestWriteLostWhileWritingOutFailsCommit(t *testing.T) {
	for name, how := range map[string]func(ask func(op, path string) error) func(*Options){
		"file system": func(ask func(op, path string) error) func(*Options) {
			return func(o *Options) { o.before = ask }
		},
		"driver": func(ask func(op, path string) error) func(*Options) {
			return func(o *Options) { o.Driver = faultyDriver{o.Driver.(entryDriver), ask} }
		},
	} {
		t.Run(name, func(t *testing.T) {
			failed := false
			b := open(t, t.TempDir(), how(func(op, _ string) error {
				if failed || op != "syncfs" && op != "driver sync" {
					return nil
				}
				failed = true
				return errFault
			}))
			written, committed := writingOut(t, b)
			if !errors.Is(written, errFault) || !errors.Is(committed, errFault) {
				t.Errorf("wrote out: %v; committed: %v", written, committed)
			}
			if n := len(b.Map()); n != 0 {
				t.Errorf("%d layers", n)
			}
		})
	}
}

var _ graphdriver.Syncer = faultyDriver{}
