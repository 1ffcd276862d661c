package driverswasm

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed built
var built embed.FS

const suffix = ".wasm"

// Names lists the drivers of this build, sorted.
func Names() []string {
	entries, err := built.ReadDir("built")
	if err != nil {
		return nil // an embedded directory can be read
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Load returns a driver's module.
func Load(name string) ([]byte, error) {
	if strings.ContainsRune(name, '/') {
		return nil, fmt.Errorf("embedded driver %q: %w", name, fs.ErrNotExist)
	}
	wasm, err := built.ReadFile("built/" + name + suffix)
	if err != nil {
		have := "none"
		if names := Names(); len(names) > 0 {
			have = strings.Join(names, ", ")
		}
		return nil, fmt.Errorf("driver %q is not embedded in this binary (it has: %s); `make build` compiles and embeds the drivers: %w", name, have, fs.ErrNotExist)
	}
	return wasm, nil
}

// Grants are the powers that a driver which ships is given if configuration
// says nothing: what it needs and nothing more.
func Grants(name string) []string {
	if name == "overlay2" {
		return []string{"mount.overlay", "mknod.whiteout", "xattr.trusted", "xattr.user"}
	}
	return nil
}
