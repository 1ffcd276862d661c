package graphdriver

import (
	"fmt"
	"syscall"
)

// FSMagic identifies the file system that a path lies on (statfs(2)).
type FSMagic uint32

// The file systems that graph drivers tell apart, with moby's names.
const (
	FSMagicUnsupported FSMagic = 0
	FSMagicAufs        FSMagic = 0x61756673
	FSMagicBtrfs       FSMagic = 0x9123683E
	FSMagicCramfs      FSMagic = 0x28cd3d45
	FSMagicEcryptfs    FSMagic = 0xf15f
	FSMagicExtfs       FSMagic = 0xEF53
	FSMagicF2fs        FSMagic = 0xF2F52010
	FSMagicFUSE        FSMagic = 0x65735546
	FSMagicGPFS        FSMagic = 0x47504653
	FSMagicJffs2       FSMagic = 0x72b6
	FSMagicJfs         FSMagic = 0x3153464a
	FSMagicNfs         FSMagic = 0x6969
	FSMagicOverlay     FSMagic = 0x794C7630
	FSMagicRAMFS       FSMagic = 0x858458f6
	FSMagicReiserfs    FSMagic = 0x52654973
	FSMagicSmb         FSMagic = 0x517B
	FSMagicSquashfs    FSMagic = 0x73717368
	FSMagicTmpfs       FSMagic = 0x01021994
	FSMagicVxFS        FSMagic = 0xa501fcf5
	FSMagicXfs         FSMagic = 0x58465342
	FSMagicZfs         FSMagic = 0x2fc12fc1
)

// String is the name that moby shows, or the number.
func (m FSMagic) String() string {
	switch m {
	case FSMagicUnsupported:
		return "unsupported"
	case FSMagicAufs:
		return "aufs"
	case FSMagicBtrfs:
		return "btrfs"
	case FSMagicCramfs:
		return "cramfs"
	case FSMagicEcryptfs:
		return "ecryptfs"
	case FSMagicExtfs:
		return "extfs"
	case FSMagicF2fs:
		return "f2fs"
	case FSMagicFUSE:
		return "fuse"
	case FSMagicGPFS:
		return "gpfs"
	case FSMagicJffs2:
		return "jffs2"
	case FSMagicJfs:
		return "jfs"
	case FSMagicNfs:
		return "nfs"
	case FSMagicOverlay:
		return "overlayfs"
	case FSMagicRAMFS:
		return "ramfs"
	case FSMagicReiserfs:
		return "reiserfs"
	case FSMagicSmb:
		return "smb"
	case FSMagicSquashfs:
		return "squashfs"
	case FSMagicTmpfs:
		return "tmpfs"
	case FSMagicVxFS:
		return "vxfs"
	case FSMagicXfs:
		return "xfs"
	case FSMagicZfs:
		return "zfs"
	}
	return fmt.Sprintf("%#x", uint32(m))
}

// FSMagicOf looks at the file system beneath path, which must exist.
func FSMagicOf(path string) (FSMagic, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return FSMagicUnsupported, fmt.Errorf("file system of %s: %w", path, err)
	}
	return FSMagic(uint32(st.Type)), nil
}

// CheckerOf is a Checker for mounts of one kind of file system: a path is
// mounted if that is what lies there.
func CheckerOf(magic FSMagic) Checker { return checker(magic) }

type checker FSMagic

// IsMounted implements Checker. A path that cannot be looked at is not mounted.
func (c checker) IsMounted(path string) bool {
	magic, err := FSMagicOf(path)
	return err == nil && magic == FSMagic(c)
}
