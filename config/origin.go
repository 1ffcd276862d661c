package config

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Setting is one key with its effective value.
type Setting struct {
	Key    string
	Value  any
	Origin string // "default", or the flag, variable or file it comes from
}

// Settings are all keys, sorted, with the drivers that are configured.
func (l *Loaded) Settings() []Setting {
	var all []Setting
	for _, key := range l.keys() {
		all = append(all, Setting{Key: strings.Join(key, "."), Value: l.value(key), Origin: l.origin(key)})
	}
	slices.SortFunc(all, func(a, b Setting) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// value is the effective value, as the Config has it where it was made
// absolute or read from text.
func (l *Loaded) value(key []string) any {
	v := fieldOf(&l.Config, key)
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return v
}

func (l *Loaded) origin(key []string) string {
	if f := l.flag(key); f != nil {
		return "flag --" + f.Name
	}
	if name := envName(key); !l.noEnv && os.Getenv(name) != "" {
		return "environment " + name
	}
	if has(l.values, key) {
		return "file " + l.File
	}
	return "default"
}

func has(values map[string]any, key []string) bool {
	for name, v := range values {
		if !strings.EqualFold(name, key[0]) {
			continue
		}
		if len(key) == 1 {
			return v != nil
		}
		below, _ := v.(map[string]any)
		return has(below, key[1:])
	}
	return false
}

// Tree is the effective configuration as nested maps, to be written down.
func (l *Loaded) Tree() map[string]any {
	tree := map[string]any{}
	for _, key := range l.keys() {
		at := tree
		for _, part := range key[:len(key)-1] {
			below, ok := at[part].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[part] = below
			}
			at = below
		}
		at[key[len(key)-1]] = l.value(key)
	}
	return tree
}
