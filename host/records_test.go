package host_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
)

// A record is an attribute that anybody may set on a file of their own. Only
// the host's note on a home says that it means something there.
func TestRecordsAreBelievedInAHomeThatWasWrittenWithoutPrivileges(t *testing.T) {
	for _, marked := range []bool{false, true} {
		root := t.TempDir()
		ctx := context.Background()
		open := func() (*host.Driver, func()) { return openAt(t, root, host.Native(vfs.Driver{})) }
		d, done := open()
		must(t, d.CreateReadWrite(ctx, "x", "", graphdriver.CreateOptions{}))
		f := filepath.Join(root, "vfs/dir/x/f")
		must(t, os.WriteFile(f, nil, 0o644))
		err := unix.Setxattr(f, "user.containers.override_stat", []byte("7:8:0644"), 0)
		if errors.Is(err, unix.ENOTSUP) {
			t.Skip("the file system of TMPDIR has no user attributes: ", err)
		}
		must(t, err)
		note := filepath.Join(root, "bulkhead/vfs/home.json")
		b, err := os.ReadFile(note)
		must(t, err)
		if unprivileged() != strings.Contains(string(b), `"unprivileged":true`) {
			t.Fatalf("the home's note is %s", b)
		}
		if unprivileged() != marked { // the other was made by another user: as if
			done()
			b = []byte(strings.Replace(string(b), `,"unprivileged":true`, "", 1))
			if marked {
				b = []byte(strings.Replace(string(b), "}", `,"unprivileged":true}`, 1))
			}
			must(t, os.WriteFile(note, b, 0o600))
			d, done = open()
		}
		r, err := host.Complete(d).Diff(ctx, "x", "")
		must(t, err)
		archive, err := io.ReadAll(r)
		must(t, err)
		must(t, r.Close())
		// Who writes without privileges marks the home at once.
		if uid := graphtest.TreeOf(t, archive)["f"].UID; (uid == 7) != (marked || unprivileged()) {
			t.Errorf("marked %v: the owner is %d", marked, uid)
		}
		_, err = d.ApplyDiff(ctx, "x", "", bytes.NewReader(graphtest.Archive(t, graphtest.File("g", "x").Xattr("user.containers.override_stat", "7:8:0644"))))
		if err == nil {
			t.Error("an archive brought a record")
		}
		done()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
