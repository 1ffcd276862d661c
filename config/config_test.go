package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/bulkhead/bulkhead/config"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.String("root", "unused", "")
	fs.Duration("lock-timeout", time.Hour, "")
	fs.String("output", "", "") // no key
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func setting(t *testing.T, l *config.Loaded, key string) config.Setting {
	t.Helper()
	for _, s := range l.Settings() {
		if s.Key == key {
			return s
		}
	}
	t.Fatalf("no key %s", key)
	return config.Setting{}
}

func TestFlagWinsOverEnvironmentOverFileOverDefault(t *testing.T) {
	path := write(t, "c.yaml", "root: /file\nlock-timeout: 5s\n")
	for _, c := range []struct {
		env    string
		args   []string
		root   string
		origin string
	}{
		{"", nil, "/file", "file " + path},
		{"/env", nil, "/env", "environment BULKHEAD_ROOT"},
		{"/env", []string{"--root", "/flag"}, "/flag", "flag --root"},
	} {
		t.Setenv("BULKHEAD_ROOT", c.env)
		l, err := config.Load(config.Sources{File: path, Flags: flags(t, c.args...)})
		if err != nil {
			t.Fatal(err)
		}
		s := setting(t, l, "root")
		if l.Root != c.root || s.Value != c.root || s.Origin != c.origin {
			t.Errorf("root is %s, shown as %v from %s; want %s from %s", l.Root, s.Value, s.Origin, c.root, c.origin)
		}
		if s := setting(t, l, "lock-timeout"); l.LockTimeout != 5*time.Second || s.Value != "5s" {
			t.Errorf("lock-timeout is %v, shown as %v", l.LockTimeout, s.Value)
		}
		if s := setting(t, l, "log-level"); s.Origin != "default" || s.Value != "warn" {
			t.Errorf("log-level %+v", s)
		}
	}
}

func TestEveryFormatSaysTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"c.yaml": "drivers:\n  vfs:\n    grants: [chown]\n    options: [\"A.b=C\"]\n    limits: {memory: 64MiB, deadline: 90s, instances: -1}\n  my.own: {path: /x.wasm, isolation: thread}\n",
		"c.toml": "[drivers.vfs]\ngrants=['chown']\noptions=['A.b=C']\n[drivers.vfs.limits]\nmemory=67108864\ndeadline='1m30s'\ninstances=-1\n[drivers.\"my.own\"]\npath='/x.wasm'\nisolation='thread'\n",
		"c.json": `{"drivers":{"vfs":{"grants":["chown"],"options":["A.b=C"],"limits":{"memory":"64M","deadline":"90s","instances":-1}},"my.own":{"path":"/x.wasm","isolation":"thread"}}}`,
	} {
		l, err := config.Load(config.Sources{File: write(t, name, text), NoEnv: true})
		if err != nil {
			t.Fatal(err)
		}
		d := l.Drivers["vfs"]
		if d.Limits.Memory != 64<<20 || d.Limits.Deadline != 90*time.Second || d.Limits.Instances != -1 || d.Options[0] != "A.b=C" || d.Grants[0] != "chown" {
			t.Errorf("%s: %+v", name, d)
		}
		if l.Drivers["my.own"].Path != "/x.wasm" {
			t.Errorf("%s: %+v", name, l.Drivers)
		}
		if s := setting(t, l, "drivers.vfs.limits.memory"); s.Value != "64MiB" || !strings.HasPrefix(s.Origin, "file ") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestEnvironmentReachesConfiguredDrivers(t *testing.T) {
	t.Setenv("BULKHEAD_DRIVERS_VFS_GRANTS", "chown,setid")
	t.Setenv("BULKHEAD_LIMITS_LAYER", "1GiB")
	l, err := config.Load(config.Sources{File: write(t, "c.yaml", "drivers: {vfs: {isolation: thread}}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if g := l.Drivers["vfs"].Grants; len(g) != 2 || g[1] != "setid" || l.Limits.Layer != 1<<30 {
		t.Errorf("grants %v, layer %v", g, l.Limits.Layer)
	}
}

func TestWhatIsNotUnderstoodIsRefusedByName(t *testing.T) {
	for text, want := range map[string]string{
		"rooot: /x":                                    `unknown key "rooot" (did you mean "root"?)`,
		"rooot:":                                       `unknown key "rooot" (did you mean "root"?)`,
		"drivers: {vfs: {isolaton: thread}}":           `unknown key "drivers.vfs.isolaton" (did you mean "drivers.vfs.isolation"?)`,
		"drivers: {vfs: {limits: {memry: 1}}}":         `did you mean "drivers.vfs.limits.memory"?`,
		"drivers: vfs":                                 `key "drivers" needs keys beneath it`,
		"root: {a: b}":                                 "root",
		"lock-timeout: 30":                             "has no unit",
		"limits: {layer: lots}":                        `"lots" is not a size`,
		"limits: {entries: -1}":                        "limits.entries -1",
		"limits: {window: 8}":                          "limits.window 8",
		"limits: {layer: -1}":                          `"-1" is not a size`,
		"log-level: loud":                              `c.yaml: log-level "loud"`,
		"log-format: xml":                              `log-format "xml"`,
		"drivers: {vfs: {options: [novalue]}}":         `"novalue" is not key=value`,
		"root: [":                                      "c.yaml: ",
		"root: /a\nroot: /b":                           "c.yaml: ",
		"drivers: {vfs: {limits: {deadline: -x}}}":     "duration",
		"drivers: {vfs: {limits: {deadline: -1s}}}":    "c.yaml: drivers.vfs.limits.deadline -1s",
		"drivers: {vfs: {limits: {stream-idle: -1s}}}": "drivers.vfs.limits.stream-idle -1s",
		"drivers: {vfs: {limits: {open-files: -1}}}":   "drivers.vfs.limits.open-files -1",
		"drivers: {vfs: {limits: {instances: -2}}}":    "drivers.vfs.limits.instances -2",
		"drivers: {vfs: {limits: {memory: 5GiB}}}":     "drivers.vfs.limits.memory 5GiB",
		"drivers: {vfs: {isolation: none}}":            `drivers.vfs.isolation "none"`,
		"drivers: {vfs: {grants: [xattr.]}}":           `drivers.vfs.grants "xattr."`,
	} {
		_, err := config.Load(config.Sources{File: write(t, "c.yaml", text), NoEnv: true})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %s", text, err, want)
		}
	}
}

func TestDriverWithNothingSetIsADriverAllTheSame(t *testing.T) {
	for _, text := range []string{"drivers: {vfs: {}}", "drivers: {vfs: }", "drivers: {VFS: {limits: {}}}", "Drivers: {vfs: {limits: {deadline: }}}"} {
		l, err := config.Load(config.Sources{File: write(t, "c.yaml", text), NoEnv: true})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, ok := l.Drivers["vfs"]; !ok || len(l.Drivers) != 1 {
			t.Errorf("%s: drivers are %v", text, l.Drivers)
		}
		if s := setting(t, l, "drivers.vfs.limits.memory"); s.Origin != "default" {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

func TestEnvironmentIsNamedForAValueThatCannotBe(t *testing.T) {
	t.Setenv("BULKHEAD_LOG_FORMAT", "xml")
	_, err := config.Load(config.Sources{Dir: t.TempDir()})
	if err == nil || !strings.HasPrefix(err.Error(), `environment BULKHEAD_LOG_FORMAT: log-format "xml"`) {
		t.Error(err)
	}
}

func TestFileIsFoundInItsDirectory(t *testing.T) {
	dir := t.TempDir()
	if l, err := config.Load(config.Sources{Dir: dir, NoEnv: true}); err != nil || l.File != "" {
		t.Errorf("%+v, %v", l, err)
	}
	for _, name := range []string{"config.toml", "config.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"[:2*strings.Count(name, "json")]), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := config.Load(config.Sources{Dir: dir, NoEnv: true})
		if name == "config.toml" && (err != nil || l.File == "") {
			t.Errorf("%+v, %v", l, err)
		}
		if name == "config.json" && err == nil {
			t.Error("of two files one was taken")
		}
	}
	t.Setenv(config.EnvFile, write(t, "named.yaml", "root: /named\n"))
	if l, err := config.Load(config.Sources{Dir: dir}); err != nil || l.Root != "/named" {
		t.Errorf("the file that the environment names: %+v, %v", l, err)
	}
	if _, err := config.Load(config.Sources{File: filepath.Join(dir, "none.yaml")}); err == nil {
		t.Error("a file that was named and is missing was passed over")
	}
	if _, err := config.Load(config.Sources{File: write(t, "c.ini", "")}); err == nil {
		t.Error("an unknown format was taken")
	}
}

func TestSizesAreWrittenAsTheyAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "1023": "1023", "1024": "1KiB", "64M": "64MiB", "64MB": "64MiB", "2 GiB": "2GiB", "3t": "3TiB", "1536": "1536",
	} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != want {
			t.Errorf("%q is %s (%v), want %s", text, s, err, want)
		}
	}
	for _, text := range []string{"", "x", "1X", "-1", "1.5G", "9999999999999P", "GiB"} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %s", text, s)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("root: /x\ndrivers: {vfs: {limits: {memory: 1M}}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := config.Load(config.Sources{File: write(t, "c.yaml", text), NoEnv: true})
		if err == nil {
			l.Settings()
			l.Tree()
		}
	})
}
