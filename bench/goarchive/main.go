// Command goarchive unpacks a layer with the version of moby's go-archive that
// moby's main branch uses, and prints what that took. It is a module of its
// own because moby's last released drivers, which the rest of bench compares
// with, do not compile with that version.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	archive "github.com/moby/go-archive"
	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: goarchive DIRECTORY ARCHIVE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "goarchive:", err)
		os.Exit(1)
	}
}

func run(dest, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := cpu()
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := archive.UnpackLayer(dest, bufio.NewReaderSize(f, 256<<10), &archive.TarOptions{NoLchown: os.Geteuid() != 0}); err != nil {
		return err
	}
	took := time.Since(start)
	after, err := cpu()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]time.Duration{"Wall": took, "CPU": after - before})
}

func cpu() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
