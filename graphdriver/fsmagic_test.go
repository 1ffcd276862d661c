package graphdriver_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func TestFileSystemsAreToldByTheirMagic(t *testing.T) {
	if m, err := graphdriver.FSMagicOf("/proc"); err != nil || m.String() != "0x9fa0" {
		t.Errorf("/proc is %s (%v)", m, err)
	}
	for m, name := range map[graphdriver.FSMagic]string{
		0xEF53: "extfs", 0x794C7630: "overlayfs", 0x9123683E: "btrfs", 0x61756673: "aufs", 0x58465342: "xfs", 0x01021994: "tmpfs", 0x2fc12fc1: "zfs", 0: "unsupported",
	} {
		if m.String() != name {
			t.Errorf("%#x is called %s, not %s", uint32(m), m, name)
		}
	}
	if _, err := graphdriver.FSMagicOf(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestACheckerKnowsMountsOfItsFileSystem(t *testing.T) {
	const proc = graphdriver.FSMagic(0x9fa0)
	if !graphdriver.CheckerOf(proc).IsMounted("/proc") {
		t.Error("/proc is not mounted")
	}
	if graphdriver.CheckerOf(graphdriver.FSMagicAufs).IsMounted("/proc") {
		t.Error("an aufs is mounted on /proc")
	}
	if graphdriver.CheckerOf(proc).IsMounted(filepath.Join(t.TempDir(), "gone")) {
		t.Error("something is mounted where nothing is")
	}
}
