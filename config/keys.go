package config

import (
	"reflect"
	"strings"
)

// anyName stands in a key for the name of a driver, or of a registry.
const anyName = "<name>"

// delimiter joins keys within viper, which lets names hold dots and colons.
const delimiter = "\x1f"

// schema lists all keys, each as its parts, in the order of the fields.
func schema() [][]string { return keysOf(reflect.TypeFor[Config](), nil) }

func keysOf(t reflect.Type, prefix []string) [][]string {
	var keys [][]string
	for i := range t.NumField() {
		f := t.Field(i)
		key := append(append([]string(nil), prefix...), f.Tag.Get("mapstructure"))
		switch {
		case f.Type.Kind() == reflect.Map:
			keys = append(keys, keysOf(f.Type.Elem(), append(key, anyName))...)
		case f.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(f.Type, key)...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// known reports whether parts are a key, or lead to some.
func known(parts []string) bool {
	for _, key := range schema() {
		if len(parts) <= len(key) && matches(key[:len(parts)], parts) {
			return true
		}
	}
	return false
}

// isLeaf reports whether parts are a key that has a value.
func isLeaf(parts []string) bool {
	for _, key := range schema() {
		if len(parts) == len(key) && matches(key, parts) {
			return true
		}
	}
	return false
}

func matches(key, parts []string) bool {
	for i, k := range key {
		if k != anyName && !strings.EqualFold(k, parts[i]) {
			return false
		}
	}
	return true
}

// nearest is the known key most like the unknown one, with the names that it
// has put in place.
func nearest(parts []string) string {
	best, least := "", -1
	for _, key := range schema() {
		candidate := append([]string(nil), key[:min(len(key), len(parts))]...)
		for i := range candidate {
			if candidate[i] == anyName {
				candidate[i] = parts[i]
			}
		}
		name := strings.Join(candidate, ".")
		if d := distance(strings.ToLower(strings.Join(parts, ".")), name); least < 0 || d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters have to be added, removed or changed.
// (Levenshtein.)
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// envName is the environment variable of a key.
func envName(parts []string) string {
	name := strings.ToUpper(strings.Join(parts, "_"))
	return "BULKHEAD_" + strings.NewReplacer("-", "_", ".", "_").Replace(name)
}
