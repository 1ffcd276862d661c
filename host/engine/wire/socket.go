package wire

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// Socket is one end: a blocking stream. Reads and writes are plain system
// calls, since whoever waits here has nothing else to do, and a process that
// is killed ends the wait of its peer.
type Socket int

// Read reads until p is full.
func (s Socket) Read(p []byte) error {
	for len(p) > 0 {
		n, err := unix.Read(int(s), p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		p = p[n:]
	}
	return nil
}

// ReadBoth reads until head is full, and on into more as far as there is
// something yet; it returns how much of more that was.
func (s Socket) ReadBoth(head, more []byte) (int, error) {
	for {
		n, err := readv(int(s), head, more)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.ErrUnexpectedEOF
		case n < len(head):
			return 0, s.Read(head[n:])
		default:
			return n - len(head), nil
		}
	}
}

// Write writes all parts, in one system call if the socket takes them.
func (s Socket) Write(parts ...[]byte) error {
	for len(parts) > 0 {
		n, err := writev(int(s), parts)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for len(parts) > 0 && n >= len(parts[0]) {
			n -= len(parts[0])
			parts = parts[1:]
		}
		if n > 0 {
			parts[0] = parts[0][n:]
		}
	}
	return nil
}
