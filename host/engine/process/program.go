package process

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/engine/lockdown"
)

// self is this program's file, whatever happened to its name.
const self = "/proc/self/exe"

// reachable is a file that a child has to be able to open.
type reachable struct{ fd int }

// program lists what starting this program takes: its file, and where it is
// linked to libraries those that it has mapped.
func program() ([]reachable, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	names := []string{self, "/etc/ld.so.cache"}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 6 && strings.Contains(fields[1], "x") && strings.HasPrefix(fields[5], "/") && !slices.Contains(names, fields[5]) {
			names = append(names, fields[5])
		}
	}
	var list []reachable
	for _, name := range names {
		fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) { // no libraries, or a program that was replaced
			continue
		}
		if err != nil {
			for _, r := range list {
				unix.Close(r.fd)
			}
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, reachable{fd})
	}
	return list, nil
}

// paths is what a child may reach: the program, and its cache.
func (r *Runtime) paths(cache int, access lockdown.Access) []lockdown.Path {
	list := []lockdown.Path{{Fd: cache, Dir: true, Access: access}}
	for _, f := range r.reach {
		list = append(list, lockdown.Path{Fd: f.fd, Access: lockdown.Execute})
	}
	return list
}
