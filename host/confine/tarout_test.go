package confine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listing is an archive's names, each with its type and its first bytes.
func listing(t *testing.T, b []byte) (out []string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		must(t, err)
		body, err := io.ReadAll(r)
		must(t, err)
		out = append(out, fmt.Sprintf("%c %s>%s %.8s", h.Typeflag, h.Name, h.Linkname, body))
	}
}

func TestAnArchiveIsInTheOrderOfItsEmits(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "d/e"), 0o755))
	var want []string
	for i := range 200 {
		size := i * 3
		if i%50 == 0 {
			size = tarHold + i // not read ahead
		}
		must(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("f%03d", i)), bytes.Repeat([]byte{byte('a' + i%26)}, size), 0o600))
		want = append(want, fmt.Sprintf("0 f%03d> %s", i, strings.Repeat(string(rune('a'+i%26)), min(size, 8))))
	}
	must(t, os.WriteFile(filepath.Join(root, "d/e/x"), []byte("x"), 0o600))
	must(t, os.Link(filepath.Join(root, "d/e/x"), filepath.Join(root, "d/y")))
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	d := opened(t, root)
	var out bytes.Buffer
	w := NewTarWriter(context.Background(), &out, func(uid, gid uint32) (uint32, uint32) { return uid + 1000, gid + 2000 })
	for i := range 200 {
		p := fmt.Sprintf("f%03d", i)
		must(t, w.File(d, p, p))
	}
	must(t, w.File(d, "d/e/x", "d/e/x")) // brings its directories along
	must(t, w.File(d, "d/y", "d/y"))
	must(t, w.Whiteout(d, "d/e/gone"))
	must(t, w.File(d, "fifo", "renamed"))
	size, err := w.OwnContent(d, "f003", "own", strings.NewReader("123456789"))
	must(t, err)
	if size != 9 {
		t.Errorf("size %d", size)
	}
	must(t, w.Entry(&tar.Header{Name: "made", Typeflag: tar.TypeReg, Size: 2}, strings.NewReader("up")))
	must(t, w.Close(nil))
	want = append(want, "5 d/> ", "5 d/e/> ", "0 d/e/x> x", "1 d/y>d/e/x ", "0 d/e/.wh.gone> ", "6 renamed> ", "0 own> 12345678", "0 made> up")
	got := listing(t, out.Bytes())
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r := tar.NewReader(&out)
	h, err := r.Next()
	if err != nil || h.Uid != os.Getuid()+1000 || h.Gid != os.Getgid()+2000 {
		t.Errorf("owners %+v %v", h, err)
	}
}

// failing is a writer that stops taking.
type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("full")

func TestAnArchiveThatFailsHasNoEnd(t *testing.T) {
	root := t.TempDir()
	for i := range 100 {
		must(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("f%d", i)), bytes.Repeat([]byte("x"), 2000), 0o600))
	}
	must(t, os.Symlink("f1", filepath.Join(root, "link")))
	d := opened(t, root)
	before := runtime.NumGoroutine()
	reason := errors.New("a reason")
	for name, test := range map[string]struct {
		do   func(w *TarWriter) error
		end  error
		want error
	}{
		"missing file":      {func(w *TarWriter) error { return w.File(d, "nothing", "nothing") }, nil, unix.ENOENT},
		"through a link":    {func(w *TarWriter) error { return w.File(d, "link/x", "x") }, nil, unix.ELOOP},
		"cancelled":         {func(*TarWriter) error { return nil }, reason, reason},
		"content too short": {func(w *TarWriter) error { _, err := w.OwnContent(d, "f1", "f1", strings.NewReader("x")); return err }, nil, io.ErrUnexpectedEOF},
		"content too long": {func(w *TarWriter) error {
			_, err := w.OwnContent(d, "f1", "f1", bytes.NewReader(bytes.Repeat([]byte("x"), 3000)))
			return err
		}, nil, tar.ErrWriteTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := NewTarWriter(context.Background(), &out, nil)
			must(t, w.File(d, "f0", "f0"))
			err := test.do(w)
			for i := 0; err == nil && i < 90; i++ {
				err = w.File(d, fmt.Sprintf("f%d", i+1), fmt.Sprintf("g%d", i))
			}
			if cerr := w.Close(test.end); !errors.Is(cerr, test.want) || err != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, at its end %v", err, cerr)
			}
			if bytes.HasSuffix(out.Bytes(), make([]byte, 1024)) {
				t.Error("the archive has an end")
			}
		})
	}
	t.Run("a reader that stops", func(t *testing.T) {
		w := NewTarWriter(context.Background(), &failing{after: 10000}, nil)
		var err error
		for i := 0; i < 10000 && err == nil; i++ {
			err = w.File(d, fmt.Sprintf("f%d", i%100), fmt.Sprint(i))
		}
		if !errors.Is(err, errFull) || !errors.Is(w.Close(nil), errFull) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a context that ends while nobody reads", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		pr, pw := io.Pipe()
		w := NewTarWriter(ctx, pw, nil)
		context.AfterFunc(ctx, func() { pr.CloseWithError(reason) })
		time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
		var err error
		for i := 0; err == nil; i++ {
			err = w.File(d, "f1", fmt.Sprint(i))
		}
		if !errors.Is(err, reason) || !errors.Is(w.Close(nil), reason) {
			t.Errorf("%v", err)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
	}
}
