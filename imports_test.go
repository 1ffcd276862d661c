// Package bulkhead has no code of its own: its test holds the rule that
// imports point one way.
package bulkhead

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bulkhead/bulkhead/"

// mayImport lists, for each package of this module, which others of it may be
// imported. A trailing "/..." covers what lies beneath. What a package's tests
// import is free, but for wazero.
var mayImport = map[string][]string{
	"abi":                          {},
	"abi/c":                        {},
	"abi/guest":                    {"abi"},
	"graphdriver":                  {"graphdriver/layertar"},
	"graphdriver/beneath":          {},
	"graphdriver/layertar":         {},
	"graphdriver/layerlock":        {},
	"graphdriver/treediff":         {"abi"},
	"graphdriver/naivediff":        {"graphdriver", "graphdriver/layertar", "graphdriver/layerlock", "graphdriver/treediff", "host/confine"},
	"graphdriver/graphtest":        {"graphdriver", "graphdriver/layertar"},
	"host/confine":                 {"graphdriver/beneath", "graphdriver/layertar"},
	"host/trust":                   {},
	"host/mount":                   {"graphdriver", "host/confine"},
	"host/calls":                   {"abi", "graphdriver", "graphdriver/layertar", "graphdriver/layerlock", "graphdriver/treediff", "host/confine"},
	"host/engine":                  {"abi", "host/calls"},
	"host/engine/lockdown":         {},
	"host/engine/wire":             {"abi", "host/calls", "host/engine"},
	"host/engine/child":            {"abi", "host/calls", "host/engine", "host/engine/lockdown", "host/engine/wire"},
	"host/engine/process":          {"abi", "host/calls", "host/engine", "host/engine/lockdown", "host/engine/wire"},
	"host/engine/native":           {"abi", "abi/guest", "host/calls", "host/engine"},
	"host/hostile":                 {"abi", "graphdriver", "host/hostile/assemble"},
	"host/hostile/assemble":        {"abi"},
	"host/hostile/guest":           {"abi"},
	"host":                         {"abi", "abi/guest", "graphdriver", "graphdriver/layertar", "graphdriver/layerlock", "graphdriver/naivediff", "graphdriver/treediff", "host/..."},
	"drivers-wasm":                 {},
	"drivers-wasm/compare":         {"abi", "abi/guest", "graphdriver/treediff"},
	"drivers-wasm/overlay2":        {"abi", "abi/guest", "drivers-wasm/compare"},
	"drivers-wasm/overlay2/module": {"abi/guest", "drivers-wasm/overlay2"},
	"drivers-wasm/vfs":             {"abi", "abi/guest", "drivers-wasm/compare"},
	"drivers-wasm/vfs/module":      {"abi/guest", "drivers-wasm/vfs"},
	"layer/treecheck":              {"graphdriver", "graphdriver/layertar"},
	"layer":                        {"graphdriver", "graphdriver/beneath", "graphdriver/layertar", "layer/..."},
	"layer/...":                    {"layer", "layer/..."},
	"image":                        {"graphdriver", "graphdriver/layertar", "layer", "layer/...", "image/..."},
	"image/...":                    {"graphdriver", "graphdriver/layertar", "layer", "layer/...", "image", "image/..."},
	"image/v1":                     {"graphdriver", "graphdriver/layerlock", "graphdriver/layertar", "layer", "layer/tarsplit", "image", "image/..."},
	"squash":                       {"graphdriver", "image", "layer"},
	"config":                       {"config/...", "graphdriver"},
	"cmd/host":                     {"..."},
	"cmd/host/...":                 {"..."},
	"examples/...":                 {"abi", "abi/guest"},
	"e2e":                          {},
	"e2e/fault":                    {},
	"e2e/skipped":                  {},
}

// only names the packages that alone may import something from outside.
var only = map[string][]string{
	"github.com/tetratelabs/wazero": {"host/engine"},
	"github.com/spf13/viper":        {"config", "cmd/host"},
	"github.com/spf13/cobra":        {"cmd/host"},
}

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Standard                           bool
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name+"/" == module {
			continue
		}
		allowed, known := rule(name)
		if !known {
			t.Errorf("%s has no rule: say in this test what it may import", name)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.ContainsFunc(allowed, func(pat string) bool { return matches(pat, ours) }) {
				t.Errorf("%s may not import %s", name, ours)
			}
			if first, _, _ := strings.Cut(imported, "/"); name == "abi" && strings.Contains(first, ".") {
				t.Errorf("abi may import the standard library only, not %s", imported)
			}
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for outside, who := range only {
				if (imported == outside || strings.HasPrefix(imported, outside+"/")) && !slices.Contains(who, name) {
					t.Errorf("%s may not import %s: only %v may", name, imported, who)
				}
			}
		}
	}
}

// rule finds the entry for a package: its own, or the nearest "/..." above.
func rule(name string) ([]string, bool) {
	if allowed, ok := mayImport[name]; ok {
		return allowed, true
	}
	for up := path.Dir(name); up != "."; up = path.Dir(up) {
		if allowed, ok := mayImport[up+"/..."]; ok {
			return allowed, true
		}
	}
	return nil, false
}

func matches(pattern, name string) bool {
	prefix, beneath := strings.CutSuffix(pattern, "...")
	return pattern == name || beneath && strings.HasPrefix(name, prefix)
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Standard", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
