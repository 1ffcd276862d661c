package driverswasm

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestWhatIsNotBuiltSaysHowToBuildIt(t *testing.T) {
	for _, name := range []string{"missing", "../built/vfs", "README.md", ""} {
		_, err := Load(name)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := Load("missing"); !strings.Contains(err.Error(), "make build") || !strings.Contains(err.Error(), `"missing"`) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsNamedLoads(t *testing.T) {
	for _, name := range Names() {
		wasm, err := Load(name)
		if err != nil || !strings.HasPrefix(string(wasm), "\x00asm") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
