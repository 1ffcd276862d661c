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
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

const nobody = 65534

// strange is an archive of what only root can make.
func strange() []*layertar.Entry {
	owned := func(e *layertar.Entry, uid, gid, mode uint32) *layertar.Entry {
		e.UID, e.GID, e.Mode = uid, gid, mode
		return e
	}
	device := func(kind layertar.Kind, p string, major, minor uint32) *layertar.Entry {
		e := owned(entry(kind, p, ""), 5, 6, 0o640)
		e.Major, e.Minor = major, minor
		return e
	}
	able := owned(file("d/able", "x"), 7, 8, 0o755)
	able.Xattrs = []layertar.Xattr{{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}, {Name: "user.x", Value: "y"}}
	return []*layertar.Entry{
		owned(entry(layertar.Dir, "d", ""), 1000, 1001, 0o1000), able,
		owned(file("suid", "x"), 11, 0, 0o4511), owned(file("dark", "x"), nobody, nobody, 0),
		owned(entry(layertar.Symlink, "d/s", "able"), 12, 13, 0o777), owned(entry(layertar.Symlink, "d/t", "able"), nobody, nobody, 0o777),
		owned(entry(layertar.Hardlink, "s2", "d/s"), 12, 13, 0o777),
		device(layertar.Char, "null", 1, 3), device(layertar.Block, "loop", 7, 300), owned(entry(layertar.Fifo, "fifo", ""), 3, 3, 0o622),
		owned(entry(layertar.Hardlink, "d/null", "null"), 5, 6, 0o640),
	}
}

// archived lists what the archive of a tree says.
func archived(t *testing.T, d *Dir) string {
	t.Helper()
	var b bytes.Buffer
	w := NewTarWriter(context.Background(), &b, nil)
	var walk func(p string)
	walk = func(p string) {
		names, err := NewLister().List(d, p, true)
		must(t, err)
		for _, n := range names {
			at := join(p, n.Name)
			must(t, w.File(d, at, at))
			if n.Stat.Type() == unix.S_IFDIR {
				walk(at)
			}
		}
	}
	walk(".")
	must(t, w.Close(nil))
	var out strings.Builder
	r := tar.NewReader(&b)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out.String()
		}
		must(t, err)
		fmt.Fprintf(&out, "%c %s %o %d:%d %d %d,%d %q %v %q\n", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid, h.Size, h.Devmajor, h.Devminor, h.Linkname, h.ModTime.UTC(), h.PAXRecords)
	}
}

const strangeArchive = `5 d/ 1000 1000:1001 0 0,0 "" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
0 d/able 755 7:8 1 0,0 "" ` + strangeTime1 + ` map["SCHILY.xattr.security.capability":"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" "SCHILY.xattr.user.x":"y" "mtime":"1500000001.000000123"]
3 d/null 640 5:6 0 1,3 "" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
2 d/s 777 12:13 0 0,0 "able" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
2 d/t 777 65534:65534 0 0,0 "able" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
0 dark 0 65534:65534 1 0,0 "" ` + strangeTime1 + ` map["mtime":"1500000001.000000123"]
6 fifo 622 3:3 0 0,0 "" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
4 loop 640 5:6 0 7,300 "" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
1 null 640 5:6 0 1,3 "d/null" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
1 s2 777 12:13 0 0,0 "d/s" ` + strangeTime2 + ` map["mtime":"1500000002.000000123"]
0 suid 4511 11:0 1 0,0 "" ` + strangeTime1 + ` map["mtime":"1500000001.000000123"]
`

const (
	strangeTime1 = "2017-07-14 02:40:01.000000123 +0000 UTC"
	strangeTime2 = "2017-07-14 02:40:02.000000123 +0000 UTC"
)

func TestWithoutPrivilegesATreeShowsWhatRootWouldHaveMade(t *testing.T) {
	fill := func(t *testing.T) *Dir {
		d := opened(t, t.TempDir())
		if os.Getuid() != 0 {
			d.Believe(uint32(os.Getuid()))
		}
		must(t, os.Mkdir(filepath.Join(d.Name(), "l"), 0o755))
		l, err := d.Sub("l", NoLinks)
		must(t, err)
		defer l.Close()
		done, err := apply(l, ApplyOptions{}, strange()...)
		must(t, err)
		if done.LeftOwners+done.LeftNodes+done.LeftXattrs != 0 {
			t.Errorf("%+v", done)
		}
		return d
	}
	shows := func(t *testing.T, d *Dir, p string) {
		t.Helper()
		l, err := d.Sub(p, NoLinks)
		must(t, err)
		defer l.Close()
		if got := archived(t, l); got != strangeArchive {
			t.Errorf("%s is\n%s\nand not\n%s", p, got, strangeArchive)
		}
	}
	d := fill(t)
	shows(t, d, "l")
	must(t, CopyTree(context.Background(), d, "l", d, "copy", os.Getuid() != 0))
	shows(t, d, "copy")
	must(t, CopyTree(context.Background(), d, "l/null", d, "one", os.Getuid() != 0))
	if st, err := d.Lstat("one", NoLinks); err != nil || st.Type() != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) || st.UID != 5 {
		t.Errorf("a device copied alone: %+v %v", st, err)
	}
	if n, err := d.Usage(context.Background(), "copy"); err != nil || n != 3+2*4 {
		t.Errorf("%d bytes: %v", n, err)
	}
	if _, err := d.OpenRegular("l/null", InRoot); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a device was opened: %v", err)
	}
	var bufs [2][]byte
	bufs[0], bufs[1] = make([]byte, 16), make([]byte, 16)
	if same, err := EqualFiles(context.Background(), d, "l/null", d, "l/loop", &bufs); same || err == nil {
		t.Errorf("two devices compare as files: %v %v", same, err)
	}
	must(t, d.RemoveTree(context.Background(), "copy"))
	if os.Getuid() != 0 {
		byHand(t, d)
		return
	}
	asNobody(t)
}

// byHand changes a tree as its user can, and looks at what shows.
func byHand(t *testing.T, d *Dir) {
	p := func(s string) string { return filepath.Join(d.Name(), "l", s) }
	is := func(at string, mode, uid uint32) {
		t.Helper()
		st, err := d.Lstat("l/"+at, NoLinks)
		if err != nil || st.Mode != mode || st.UID != uid {
			t.Errorf("%s is %o of %d: %v", at, st.Mode, st.UID, err)
		}
	}
	if fi, err := os.Lstat(p("suid")); err != nil || fi.Mode()&os.ModeSetuid != 0 {
		t.Errorf("a program of somebody else runs as its user: %v %v", fi.Mode(), err)
	}
	must(t, os.Chmod(p("suid"), 0o750))
	is("suid", unix.S_IFREG|0o750, 11)
	must(t, os.WriteFile(p("loop"), []byte("no device now"), 0o600))
	is("loop", unix.S_IFREG|0o640, 5)
	must(t, os.Remove(p("d/s")))
	must(t, os.Symlink("elsewhere", p("d/s")))
	is("d/s", unix.S_IFLNK|0o777, nobody)
	is("s2", unix.S_IFLNK|0o777, 12)
	must(t, d.Rename("l/s2", "l/d/s3", NoLinks))
	is("d/s3", unix.S_IFLNK|0o777, 12)

	// A later archive says something else of what is there.
	l, err := d.Sub("l", NoLinks)
	must(t, err)
	defer l.Close()
	dir, link := entry(layertar.Dir, "d", ""), entry(layertar.Symlink, "d/s3", "able")
	dir.UID, dir.GID, link.UID, link.GID = nobody, nobody, nobody, nobody
	if _, err := apply(l, ApplyOptions{}, dir, link); err != nil {
		t.Fatal(err)
	}
	is("d", unix.S_IFDIR|0o750, nobody)
	is("d/s3", unix.S_IFLNK|0o777, nobody)
	if names, err := l.Listxattr("d", NoLinks); err != nil || len(names) > 0 {
		t.Errorf("%v %v", names, err)
	}
	if _, err := apply(l, ApplyOptions{}, entry(layertar.Opaque, "d", "")); err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(p("d/"+linkFile), []byte("x"), 0o600))
	must(t, d.Rmdir("l/d", NoLinks))
}

func TestARecordCountsOnlyWhereItIsBelieved(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	root := t.TempDir()
	for _, name := range []string{"theirs", "mine", "dir/x"} {
		p := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must(t, os.WriteFile(p, nil, 0o644))
		must(t, unix.Setxattr(p, recordStat, []byte("1:2:0444:char-1-3"), 0))
		must(t, unix.Setxattr(p, recordPrefix+"trusted.x", []byte("x"), 0))
	}
	must(t, os.Symlink("t", filepath.Join(root, "dir/s")))
	line, err := formatLink("s", "t", override{uid: 1, gid: 2, mode: 0o777}, nil)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "dir", linkFile), line, 0o600))
	for _, p := range []string{"theirs", "dir/s", "dir/" + linkFile} {
		must(t, os.Lchown(filepath.Join(root, p), nobody, nobody))
	}
	shown := func(d *Dir, p string) string {
		t.Helper()
		st, err := d.Lstat(p, NoLinks)
		must(t, err)
		return fmt.Sprintf("%o of %d:%d", st.Mode, st.UID, st.GID)
	}
	plain, believing := opened(t, root), opened(t, root)
	believing.Believe(nobody)
	for _, c := range []struct{ p, plain, believed string }{
		{"theirs", "100644 of 65534:65534", "20444 of 1:2"},
		{"mine", "100644 of 0:0", "100644 of 0:0"},
		{"dir/s", "120777 of 65534:65534", "120777 of 1:2"},
	} {
		if got := shown(plain, c.p); got != c.plain {
			t.Errorf("%s is %s", c.p, got)
		}
		if got := shown(believing, c.p); got != c.believed {
			t.Errorf("%s is believed to be %s", c.p, got)
		}
	}
	if got := archived(t, believing); strings.Contains(got, linkFile) || strings.Count(got, "trusted.x") != 1 {
		t.Errorf("believed:\n%s", got)
	}
	if got := archived(t, plain); strings.Contains(got, "override") || strings.Contains(got, "trusted") {
		t.Errorf("plain:\n%s", got)
	}
	// What root copies of it is made, and needs no record.
	to := opened(t, t.TempDir())
	must(t, CopyTree(context.Background(), believing, ".", to, "copy", false))
	if a, b := shown(to, "copy/theirs"), shown(to, "copy/dir/s"); a != "20444 of 1:2" || b != "120777 of 1:2" {
		t.Errorf("root's copy: %s, %s", a, b)
	}
}

func TestNoPathLeadsToTheRecordsOfSymlinks(t *testing.T) {
	root := t.TempDir()
	d := opened(t, root)
	d.Believe(uint32(os.Getuid()))
	must(t, os.Mkdir(filepath.Join(root, "d"), 0o755))
	secret := filepath.Join(root, "d", linkFile)
	must(t, os.WriteFile(secret, []byte("secret\n"), 0o600))
	must(t, os.Symlink("d/"+linkFile, filepath.Join(root, "way")))
	at := "d/" + linkFile
	for name, err := range map[string]error{
		"open":    third(d.OpenFile(at, unix.O_RDONLY, 0, Beneath, false)),
		"through": third(d.OpenFile("way", unix.O_RDONLY, 0, Beneath, false)),
		"create":  third(d.OpenFile(linkFile, unix.O_RDWR|unix.O_CREAT, 0o600, NoLinks, false)),
		"stat":    second(d.Lstat(at, NoLinks)),
		"away":    d.Rename(at, "mine", NoLinks),
		"there":   d.Rename("way", linkFile, NoLinks),
		"link":    d.Link(at, "mine", NoLinks),
		"symlink": d.Symlink("x", linkFile, NoLinks),
		"unlink":  d.Unlink(at, NoLinks),
		"mkdir":   d.Mkdir(linkFile, 0o700),
		"chmod":   d.Chmod(at, 0, NoLinks),
		"copy":    CopyTree(context.Background(), d, at, d, "mine", false),
		"remove":  d.RemoveTree(context.Background(), at),
	} {
		if !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := apply(d, ApplyOptions{}, file(at, "forged")); !errors.Is(err, layertar.ErrRefused) {
		t.Errorf("an entry: %v", err)
	}
	reads(t, root, at, "secret\n")
	names, err := NewLister().List(d, "d", false)
	if err != nil || len(names) > 0 {
		t.Errorf("%v %v", names, err)
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }
