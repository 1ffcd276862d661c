package mount

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of what is read from mountinfo. A line of 500 lower directories with
// the longest of paths has 8 MiB.
const (
	maxLine    = 16 << 20
	maxEntries = 1 << 20
)

// Entry is a mount of this mount namespace, as mountinfo shows it. All
// strings are bytes as they are, unescaped.
type Entry struct {
	ID, Parent int
	Dev        uint64 // of the file system
	Root       string // the directory of the file system that is seen
	Target     string // where it is seen
	Options    string // of this mount
	FSType     string
	Source     string
	Super      string // options of the file system
}

// Table is the mounts of this mount namespace.
type Table []Entry

// ReadTable reads /proc/self/mountinfo.
func ReadTable() (Table, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := parseTable(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return t, nil
}

// ByID finds a mount by mountinfo's number.
func (t Table) ByID(id int) (Entry, bool) {
	for _, e := range t {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}

// At finds what is mounted at a clean absolute path: of several on top of one
// another, the topmost.
func (t Table) At(target string) (Entry, bool) {
	covered := map[int]bool{}
	for _, e := range t {
		if e.Target == target && e.Parent != e.ID {
			covered[e.Parent] = true
		}
	}
	for _, e := range t {
		if e.Target == target && !covered[e.ID] {
			return e, true
		}
	}
	return Entry{}, false
}

// Beneath lists at most limit targets that lie in target.
func (t Table) Beneath(target string, limit int) []string {
	var out []string
	for _, e := range t {
		if len(out) < limit && strings.HasPrefix(e.Target, strings.TrimSuffix(target, "/")+"/") && e.Target != "/" {
			out = append(out, e.Target)
		}
	}
	return out
}

func parseTable(r io.Reader) (Table, error) {
	var t Table
	for br := bufio.NewReader(r); ; {
		line, err := readLine(br)
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		if len(t) == maxEntries {
			return nil, fmt.Errorf("more than %d mounts", maxEntries)
		}
		e, err := parseEntry(string(line))
		if err != nil {
			return nil, err
		}
		t = append(t, e)
	}
}

func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("it ends in the middle of a line")
		case err != nil:
			return nil, err
		default:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		}
	}
}

func parseEntry(line string) (Entry, error) {
	bad := func(what string) (Entry, error) {
		return Entry{}, fmt.Errorf("%s in %.200q", what, line)
	}
	f := strings.Split(line, " ")
	sep := 6
	for sep < len(f) && f[sep] != "-" {
		sep++
	}
	if sep+3 >= len(f) {
		return bad("too few fields")
	}
	var e Entry
	var err, err2 error
	e.ID, err = strconv.Atoi(f[0])
	e.Parent, err2 = strconv.Atoi(f[1])
	if err != nil || err2 != nil || e.ID < 0 || e.Parent < 0 {
		return bad("no mount number")
	}
	major, minor, found := strings.Cut(f[2], ":")
	ma, err := strconv.ParseUint(major, 10, 32)
	mi, err2 := strconv.ParseUint(minor, 10, 32)
	if !found || err != nil || err2 != nil {
		return bad("no device number")
	}
	e.Dev = unix.Mkdev(uint32(ma), uint32(mi))
	e.Root, e.Target, e.Options = unescape(f[3]), unescape(f[4]), f[5]
	// A subtype or a source may hold a space where the kernel does not escape.
	e.FSType, e.Source, e.Super = unescape(f[sep+1]), unescape(f[sep+2]), unescape(strings.Join(f[sep+3:], " "))
	return e, nil
}

// unescape undoes the kernel's \ooo. What is no such escape stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(v))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
