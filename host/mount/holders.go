package mount

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Bounds of the search for who uses a mount.
const (
	maxNamed     = 5
	maxProcesses = 1 << 15
	maxFiles     = 4096    // of one process
	maxMaps      = 4 << 20 // bytes of one process's mappings
	maxSearch    = 2 * time.Second
)

// busy finds out who uses a mount, as far as this user may see it.
func busy(ctx context.Context, at string) *BusyError {
	e := &BusyError{Target: at}
	if t, err := ReadTable(); err == nil {
		e.Above = t.Beneath(at, maxNamed)
	}
	e.Holders = holders(ctx, at)
	return e
}

// holders reads the links of /proc and follows none, since what they lead to
// may hang.
func holders(ctx context.Context, at string) []Holder {
	ctx, cancel := context.WithTimeout(ctx, maxSearch)
	defer cancel()
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(maxProcesses)
	var found []Holder
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if ctx.Err() != nil || len(found) == maxNamed {
			break
		}
		dir := "/proc/" + name
		if how := uses(ctx, dir, at); how != "" {
			comm, _ := os.ReadFile(dir + "/comm") // gone already: no name
			found = append(found, Holder{PID: pid, Name: strings.TrimSpace(string(comm)), How: how})
		}
	}
	return found
}

func uses(ctx context.Context, dir, at string) string {
	for _, link := range []string{"cwd", "root"} {
		if leadsTo(filepath.Join(dir, link), at) {
			return link
		}
	}
	if fds, err := os.Open(dir + "/fd"); err == nil {
		names, _ := fds.Readdirnames(maxFiles)
		fds.Close()
		for _, fd := range names {
			if ctx.Err() != nil {
				return ""
			}
			if leadsTo(filepath.Join(dir, "fd", fd), at) {
				return "an open file"
			}
		}
	}
	if maps(filepath.Join(dir, "maps"), at) {
		return "a mapped file"
	}
	return ""
}

func leadsTo(link, at string) bool {
	p, err := os.Readlink(link)
	return err == nil && (p == at || strings.HasPrefix(p, at+"/"))
}

func maps(name, at string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	want := []byte(" " + at + "/")
	for r := bufio.NewReader(io.LimitReader(f, maxMaps)); ; {
		line, err := r.ReadSlice('\n')
		if bytes.Contains(line, want) {
			return true
		}
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
	}
}
