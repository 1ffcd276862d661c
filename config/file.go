package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// maxFile bounds what is read of a configuration file, in bytes.
const maxFile = 1 << 20

// find returns the configuration file in dir, "" if there is none. Two are
// an error, since it would not be plain which one holds.
func find(dir string) (string, error) {
	var found []string
	for _, ext := range []string{"yaml", "toml", "json"} {
		path := filepath.Join(dir, "config."+ext)
		_, err := os.Stat(path)
		if err == nil {
			found = append(found, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if len(found) > 1 {
		return "", fmt.Errorf("configuration is in %s: keep one of them, or name it with --config", strings.Join(found, " and in "))
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}

// readFile reads a file and refuses keys that nothing understands.
func readFile(path string) (map[string]any, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxFile {
		return nil, fmt.Errorf("%s: not a file of at most %d bytes", path, maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	decoder, err := viper.NewCodecRegistry().Decoder(format)
	if err != nil {
		return nil, fmt.Errorf("%s: the name does not tell the format: use .yaml, .toml or .json", path)
	}
	values := map[string]any{}
	if err := decoder.Decode(data, values); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(err.Error()), " "))
	}
	if err := check(values, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return values, nil
}

// check walks the file's values, sorted, so that the same file always gets
// the same answer.
func check(values map[string]any, prefix []string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts := append(append([]string(nil), prefix...), name)
		key := strings.Join(parts, ".")
		if !known(parts) {
			return fmt.Errorf("unknown key %q (did you mean %q?)", key, nearest(parts))
		}
		if isLeaf(parts) {
			continue
		}
		switch below := values[name].(type) {
		case nil:
		case map[string]any:
			if err := check(below, parts); err != nil {
				return err
			}
		default:
			return fmt.Errorf("key %q needs keys beneath it, not a value", key)
		}
	}
	return nil
}
