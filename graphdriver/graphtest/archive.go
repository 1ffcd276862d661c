package graphtest

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Entry is one entry of an archive under construction.
type Entry struct {
	tar.Header
	Body string
}

// Epoch is the time of entries that do not say otherwise.
var Epoch = time.Unix(1_500_000_000, 0)

func entry(typ byte, name string) Entry {
	return Entry{Header: tar.Header{Typeflag: typ, Name: name, Mode: 0o644, ModTime: Epoch, Format: tar.FormatPAX}}
}

// File is a regular file.
func File(name, body string) Entry {
	e := entry(tar.TypeReg, name)
	e.Body, e.Size = body, int64(len(body))
	return e
}

// Dir is a directory.
func Dir(name string) Entry {
	e := entry(tar.TypeDir, strings.TrimSuffix(name, "/")+"/")
	e.Header.Mode = 0o755
	return e
}

// Symlink is a symbolic link.
func Symlink(name, target string) Entry {
	e := entry(tar.TypeSymlink, name)
	e.Linkname, e.Header.Mode = target, 0o777
	return e
}

// Link is a hard link to an earlier name.
func Link(name, target string) Entry {
	e := entry(tar.TypeLink, name)
	e.Linkname = target
	return e
}

// Node is a device or fifo.
func Node(typ byte, name string, major, minor int64) Entry {
	e := entry(typ, name)
	e.Devmajor, e.Devminor = major, minor
	return e
}

// Whiteout deletes a name of lower layers.
func Whiteout(name string) Entry {
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i+1], name[i+1:]
	}
	return File(dir+".wh."+base, "")
}

// Opaque deletes what lower layers have in a directory.
func Opaque(dir string) Entry { return File(dir+"/.wh..wh..opq", "") }

// With changes an entry.
func (e Entry) With(f func(*Entry)) Entry {
	if e.PAXRecords != nil {
		copied := map[string]string{}
		for k, v := range e.PAXRecords {
			copied[k] = v
		}
		e.PAXRecords = copied
	}
	f(&e)
	return e
}

// Mode, Owner, At and Xattr change one thing of an entry.
func (e Entry) Mode(m int64) Entry { return e.With(func(e *Entry) { e.Header.Mode = m }) }

func (e Entry) Owner(uid, gid int) Entry { return e.With(func(e *Entry) { e.Uid, e.Gid = uid, gid }) }

func (e Entry) At(t time.Time) Entry { return e.With(func(e *Entry) { e.ModTime = t }) }

func (e Entry) Xattr(name, value string) Entry {
	return e.With(func(e *Entry) {
		if e.PAXRecords == nil {
			e.PAXRecords = map[string]string{}
		}
		e.PAXRecords["SCHILY.xattr."+name] = value
	})
}

// Archive is the tar of entries. Those without an owner are root's, as in an
// image, whoever runs the test.
func Archive(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("archive: %q: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, e.Body); err != nil {
			t.Fatalf("archive: %q: %v", h.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Listing shows an archive in a message.
func Listing(b []byte) string {
	var out strings.Builder
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				fmt.Fprintln(&out, err)
			}
			return out.String()
		}
		fmt.Fprintf(&out, "%c %#o %d:%d %d %s %q -> %q %v\n", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Size, h.ModTime.Format(time.RFC3339Nano), h.Name, h.Linkname, h.PAXRecords)
	}
}

// names lists an archive's names.
func names(t testing.TB, b []byte) []string {
	t.Helper()
	var out []string
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h.Name)
	}
}
