package fifo_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/image/internal/fifo"
)

func TestWaitForAPipesOtherEndStopsWhenAskedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []int{os.O_RDONLY, os.O_WRONLY} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		f, err := fifo.Open(ctx, path, flag)
		cancel()
		if f != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flag %d: %v", flag, err)
		}
	}
}

func TestOtherFilesAreOpenedAtOnce(t *testing.T) {
	f, err := fifo.Open(context.Background(), t.TempDir(), os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := fifo.Open(context.Background(), filepath.Join(t.TempDir(), "none"), os.O_RDONLY); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
