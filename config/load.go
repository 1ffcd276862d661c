package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Sources are where values come from beside the defaults.
type Sources struct {
	// File is the configuration file, "" to take the one that EnvFile names
	// or to look for one in Dir.
	File string
	// Dir is by default the package's.
	Dir string
	// Flags are those of a command; a flag counts if it was set and its name
	// is a key.
	Flags *pflag.FlagSet
	// NoEnv leaves the environment alone.
	NoEnv bool
}

// Loaded is a configuration and where it comes from.
type Loaded struct {
	Config
	// File is the file that was read, "" for none.
	File   string
	viper  *viper.Viper
	flags  *pflag.FlagSet
	values map[string]any // of the file
	noEnv  bool
}

// Load reads the configuration and checks it.
func Load(src Sources) (*Loaded, error) {
	l := &Loaded{File: src.File, flags: src.Flags, noEnv: src.NoEnv, viper: viper.NewWithOptions(viper.KeyDelimiter(delimiter))}
	if l.File == "" && !l.noEnv {
		l.File = os.Getenv(EnvFile)
	}
	if l.File == "" {
		dir := src.Dir
		if dir == "" {
			dir = Dir
		}
		var err error
		if l.File, err = find(dir); err != nil {
			return nil, err
		}
	}
	l.defaults(reflect.ValueOf(Default()), nil)
	if l.File != "" {
		var err error
		if l.values, err = readFile(l.File); err != nil {
			return nil, err
		}
		if err := l.viper.MergeConfigMap(l.values); err != nil {
			return nil, fmt.Errorf("%s: %w", l.File, err)
		}
	}
	if err := l.bind(); err != nil {
		return nil, err
	}
	if err := l.decode(); err != nil {
		return nil, err
	}
	err := l.Config.validate()
	var value *ValueError
	if errors.As(err, &value) {
		for _, key := range l.keys() {
			if strings.Join(key, ".") == value.Key {
				value.Origin = l.origin(key)
			}
		}
	}
	return l, err
}

// named lists the drivers, or the registries, that the file names, those with
// nothing set too, which viper does not know of.
func (l *Loaded) named(section string) []string {
	var names []string
	for key, value := range l.values {
		below, _ := value.(map[string]any)
		if !strings.EqualFold(key, section) {
			continue
		}
		for name := range below {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

// defaults tells viper of every default.
func (l *Loaded) defaults(v reflect.Value, prefix []string) {
	for i := range v.NumField() {
		parts := append(append([]string(nil), prefix...), v.Type().Field(i).Tag.Get("mapstructure"))
		switch v.Field(i).Kind() {
		case reflect.Struct:
			l.defaults(v.Field(i), parts)
		case reflect.Map:
		default:
			l.viper.SetDefault(join(parts), v.Field(i).Interface())
		}
	}
}

// bind tells viper of flags and environment.
func (l *Loaded) bind() error {
	for _, key := range l.keys() {
		if !l.noEnv {
			if err := l.viper.BindEnv(join(key), envName(key)); err != nil {
				return err
			}
		}
		if f := l.flag(key); f != nil {
			if err := l.viper.BindPFlag(join(key), f); err != nil {
				return err
			}
		}
	}
	return nil
}

// keys are those of the schema, with the drivers and registries that the file
// names.
func (l *Loaded) keys() [][]string {
	var keys [][]string
	for _, key := range schema() {
		at := slices.Index(key, anyName)
		if at < 0 {
			keys = append(keys, key)
			continue
		}
		for _, name := range l.named(key[0]) {
			named := slices.Clone(key)
			named[at] = name
			keys = append(keys, named)
		}
	}
	return keys
}

// flag is the flag of a key, nil unless it was set.
func (l *Loaded) flag(key []string) *pflag.Flag {
	if l.flags == nil {
		return nil
	}
	f := l.flags.Lookup(strings.Join(key, "-"))
	if f == nil || !f.Changed {
		return nil
	}
	return f
}

func (l *Loaded) decode() error {
	hooks := mapstructure.ComposeDecodeHookFunc(
		durations,
		sizes,
		mapstructure.StringToSliceHookFunc(","),
	)
	err := l.viper.UnmarshalExact(&l.Config, viper.DecodeHook(hooks))
	if err == nil {
		for _, name := range l.named("drivers") {
			if _, ok := l.Drivers[name]; !ok {
				l.setDriver(name, Driver{})
			}
		}
		for _, name := range l.named("registries") {
			if _, ok := l.Registries[name]; !ok {
				if l.Registries == nil {
					l.Registries = map[string]Registry{}
				}
				l.Registries[name] = Registry{}
			}
		}
		return nil
	}
	from := "configuration"
	if l.File != "" {
		from = l.File + " or the environment"
	}
	return fmt.Errorf("%s: %s", from, oneLine(err))
}

func (c *Config) setDriver(name string, d Driver) {
	if c.Drivers == nil {
		c.Drivers = map[string]Driver{}
	}
	c.Drivers[name] = d
}

// durations reads "30s"; a bare number, whose unit nobody could know, is
// refused.
func durations(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() || from == to {
		return data, nil
	}
	s, ok := data.(string)
	if !ok && fmt.Sprint(data) != "0" {
		return nil, fmt.Errorf("%v has no unit: write 30s or 5m", data)
	}
	if !ok || s == "0" {
		return time.Duration(0), nil
	}
	return time.ParseDuration(s)
}

// sizes reads a number, or one with a unit.
func sizes(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[Size]() || from == to {
		return data, nil
	}
	var s Size
	err := s.UnmarshalText([]byte(fmt.Sprint(data)))
	return s, err
}

// oneLine makes one line of what mapstructure puts on several.
func oneLine(err error) string {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var parts []string
		for _, e := range joined.Unwrap() {
			parts = append(parts, e.Error())
		}
		return strings.Join(parts, "; ")
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

func join(parts []string) string { return strings.Join(parts, delimiter) }
