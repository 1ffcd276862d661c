package child

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/engine"
)

// offspring are the processes that this one has started and that are there.
func offspring(t *testing.T) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a thread that has ended
			t.Fatal(err)
		}
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}

// field is a line of a status file.
func field(t *testing.T, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	t.Fatalf("%s has no %s", file, name)
	return ""
}

func TestEveryThreadOfAChildIsLocked(t *testing.T) {
	before := offspring(t)
	ctx := context.Background()
	m, err := children(t).Compile(ctx, "quiet", driver(), engine.Limits{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	if _, err := m.Run(ctx, abi.ExportExists, aCall(t)); err != nil {
		t.Fatal(err)
	}
	pids := slices.DeleteFunc(offspring(t), func(pid string) bool { return slices.Contains(before, pid) })
	if len(pids) != 1 {
		t.Fatalf("there are the children %v", pids)
	}
	threads, err := filepath.Glob("/proc/" + pids[0] + "/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	id := fmt.Sprint(os.Geteuid())
	if os.Geteuid() == 0 {
		id = "65534"
	}
	want := map[string]string{
		"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "2", "Uid": strings.Join([]string{id, id, id, id}, " "),
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		want[set] = "0000000000000000"
	}
	if os.Geteuid() == 0 {
		want["Groups"], want["CapBnd"] = "", "0000000000000000"
	}
	for _, file := range threads {
		for name, value := range want {
			if have := field(t, file, name); have != value {
				t.Errorf("%s: %s is %q, not %q", file, name, have, value)
			}
		}
	}
	if os.Geteuid() != 0 {
		return // the rest is shown to root only
	}
	if env, err := os.ReadFile("/proc/" + pids[0] + "/environ"); err != nil || !strings.HasPrefix(string(env), "GOMAXPROCS=") || strings.Count(string(env), "=") != 1 {
		t.Errorf("environment: %q %v", env, err)
	}
	fds, err := os.ReadDir("/proc/" + pids[0] + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, fd := range fds {
		to, err := os.Readlink("/proc/" + pids[0] + "/fd/" + fd.Name())
		if err != nil {
			t.Fatal(err)
		}
		to, _, _ = strings.Cut(to, ":[")
		have = append(have, to)
	}
	slices.Sort(have)
	if want := []string{"/dev/null", "/dev/null", "/dev/null", "anon_inode", "anon_inode", "socket"}; !slices.Equal(have, want) {
		t.Errorf("it has %v, not %v", have, want)
	}
	limits, err := os.ReadFile("/proc/" + pids[0] + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Max file size 0 0 bytes", "Max core file size 0 0 bytes", "Max open files 16 16 files"} {
		if !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), line) {
			t.Errorf("no %q in\n%s", line, limits)
		}
	}
}
