package confine

import (
	"io"

	"golang.org/x/sys/unix"
)

// copyData shares the data where the file system can, lets the kernel copy it
// where it cannot, and copies by hand as the last resort.
func copyData(dfd, sfd int, size int64) error {
	if size == 0 {
		return nil
	}
	if unix.IoctlFileClone(dfd, sfd) == nil {
		return nil
	}
	for left := size; left > 0; {
		n, err := unix.CopyFileRange(sfd, nil, dfd, nil, int(min(left, 1<<30)), 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil && left == size {
			return copyTo(dfd, fdReader(sfd), size)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		left -= int64(n)
	}
	return nil
}

type fdReader int

func (r fdReader) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(int(r), p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
