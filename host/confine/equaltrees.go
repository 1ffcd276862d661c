package confine

import (
	"context"

	"golang.org/x/sys/unix"
)

// EqualTrees reports whether two directories hold the same, as an archive of
// them would have it: of each name the type, mode, owner, device, attributes,
// overlay's mark and content, and the time to the second, which is what
// archives keep. Of the two directories themselves nothing is compared.
func EqualTrees(ctx context.Context, a, b *Dir, userAttrs bool) (bool, error) {
	l, bufs := NewLister(), [2][]byte{make([]byte, equalBuffer), make([]byte, equalBuffer)}
	for left := []string{"."}; len(left) > 0; {
		dir := left[len(left)-1]
		left = left[:len(left)-1]
		as, err := l.read(a, dir, true, opaqueAttr(userAttrs))
		if err != nil {
			return false, err
		}
		bs, err := l.read(b, dir, true, opaqueAttr(userAttrs))
		if err != nil || len(as) != len(bs) {
			return false, err
		}
		for i := range as {
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			if !equalNames(&as[i], &bs[i]) {
				return false, nil
			}
			p := join(dir, as[i].Name)
			switch as[i].Stat.Type() {
			case unix.S_IFDIR:
				left = append(left, p)
			case unix.S_IFREG, unix.S_IFLNK:
				if same, err := EqualFiles(ctx, a, p, b, p, &bufs); !same || err != nil {
					return false, err
				}
			}
		}
	}
	return true, nil
}

// equalBuffer is how much of two files is compared at once.
const equalBuffer = 64 << 10

func equalNames(a, b *Name) bool {
	if a.Name != b.Name || a.Stat.Mode != b.Stat.Mode || a.Stat.Rdev != b.Stat.Rdev {
		return false
	}
	if a.Stat.Type() == unix.S_IFCHR && a.Stat.Rdev == 0 { // it hides a name: of its own nothing is kept
		return true
	}
	if a.Stat.Type() != unix.S_IFDIR && a.Stat.Size != b.Stat.Size {
		return false
	}
	return a.Stat.UID == b.Stat.UID && a.Stat.GID == b.Stat.GID && a.Stat.Mtim.Sec == b.Stat.Mtim.Sec && a.Attrs == b.Attrs && a.opaque == b.opaque
}
