package treecheck

import (
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func TestAnArchivesWholeSecondsStandForAnyTimeWithin(t *testing.T) {
	for _, test := range []struct {
		archive, disk stamped
		same          bool
	}{
		{stamped{10, 5}, stamped{10, 5}, true},
		{stamped{10, 5}, stamped{10, 6}, false},
		{stamped{10, 5}, stamped{10, 0}, false},
		{stamped{10, 0}, stamped{10, 999_999_999}, true}, // BuildKit's
		{stamped{10, 0}, stamped{11, 0}, false},
		{stamped{-5, 0}, stamped{0, 0}, true}, // moby's
		{stamped{-5, 0}, stamped{1, 0}, false},
		{stamped{1 << 40, 7}, stamped{15032385535, 0}, true}, // ext4's last
		{stamped{1 << 40, 0}, stamped{15032385534, 0}, false},
		{stamped{-1 << 40, 0}, stamped{-1 << 31, 0}, true},
		{stamped{5, 0}, stamped{1<<31 - 1, 0}, false},
	} {
		want := &node{sec: test.archive.sec, nsec: test.archive.nsec}
		got := &graphdriver.StoredNode{MtimeSec: test.disk.sec, MtimeNsec: test.disk.nsec}
		if sameTime(want, got) != test.same {
			t.Errorf("%v in the archive and %v on disk: %v", test.archive, test.disk, !test.same)
		}
	}
}

type stamped struct {
	sec  int64
	nsec uint32
}
