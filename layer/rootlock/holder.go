package rootlock

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxCommand keeps long command lines out of error messages.
const maxCommand = 200

// sign writes into the lock file who holds it: process, time, command, one a
// line. It is read for error messages only, and that it fails on a full file
// system must not keep anybody from removing something there.
func sign(f *os.File) {
	command := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	text := fmt.Sprintf("%d\n%s\n%s\n", os.Getpid(), time.Now().Format(time.RFC3339), printable(strings.Join(command, " ")))
	if f.Truncate(0) == nil {
		f.WriteAt([]byte(text), 0)
	}
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxCommand {
		s = strings.ToValidUTF8(s[:maxCommand], "") + "…"
	}
	return s
}

// holder reads what sign wrote, or whatever can be said without.
func holder(path string) string {
	b, err := os.ReadFile(path)
	if err != nil || len(b) > 4096 {
		return "by another process"
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if len(lines) != 3 {
		return "by another process"
	}
	return fmt.Sprintf("by pid %s (%s) since %s", printable(string(lines[0])), printable(string(lines[2])), printable(string(lines[1])))
}
