package config

import (
	"os"
	"path/filepath"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Config is everything that can be set. The tags are the keys of the file;
// the names of flags and environment variables are made from them.
type Config struct {
	// Root is the directory that holds images, layers and drivers' homes.
	Root string `mapstructure:"root"`
	// Driver is the graph driver to use; "" takes the one that Root was
	// written with.
	Driver string `mapstructure:"driver"`
	// LogLevel is debug, info, warn or error; LogFormat is text or json.
	LogLevel  string `mapstructure:"log-level"`
	LogFormat string `mapstructure:"log-format"`
	// LockTimeout is how long to wait for another process to be done with
	// Root.
	LockTimeout time.Duration `mapstructure:"lock-timeout"`
	// CacheDir keeps compiled drivers, "" none. Only its owner may be able
	// to write it.
	CacheDir string `mapstructure:"cache-dir"`
	// RunDir holds mounts: what is mounted where, and directories to mount on.
	// It should be cleared by a restart of the machine.
	RunDir string `mapstructure:"run-dir"`
	// TempDir takes archives from a pipe and what drivers need for a call.
	TempDir string `mapstructure:"temp-dir"`
	// KeepBlobs keeps layers as they came too, compressed, so that what is pushed
	// has the digest of what was pulled.
	KeepBlobs bool `mapstructure:"keep-blobs"`
	// Limits bound what an archive may make us store.
	Limits Limits `mapstructure:"limits"`
	// Registries are settings of registries by host, as references have it:
	// docker.io, 127.0.0.1:5000.
	Registries map[string]Registry `mapstructure:"registries"`
	// Drivers are settings of drivers by name, embedded ones or others.
	Drivers map[string]Driver `mapstructure:"drivers"`
}

// Limits bound what is taken from archives.
type Limits struct {
	// Layer is the largest layer, Load all layers of one archive, both
	// decompressed; Spool is the largest archive read from a pipe.
	Layer Size `mapstructure:"layer"`
	Load  Size `mapstructure:"load"`
	Spool Size `mapstructure:"spool"`
	// Entries is how many entries a layer may have, Window the largest window
	// of what is compressed with zstd, which is held in memory.
	Entries int64 `mapstructure:"entries"`
	Window  Size  `mapstructure:"window"`
}

// Registry is how one registry is reached.
type Registry struct {
	// Mirrors are asked first when something is pulled, in their order, each as
	// HOST[:PORT][/PATH].
	Mirrors []string `mapstructure:"mirrors"`
	// Insecure allows plain http, and certificates that nobody vouches for.
	Insecure bool `mapstructure:"insecure"`
	// CA is a file of certificates that may vouch for it beside the system's.
	CA string `mapstructure:"ca"`
}

// Driver is how one driver runs.
type Driver struct {
	// Path is the module's file; "" is for drivers that ship with bulkhead.
	Path string `mapstructure:"path"`
	// SHA256 is the digest that the module must have, in hex.
	SHA256 string `mapstructure:"sha256"`
	// Keys are files of public keys one of which must have signed the module;
	// Signature is the signature's file, by default Path with ".sig".
	Keys      []string `mapstructure:"keys"`
	Signature string   `mapstructure:"signature"`
	// Trust is none to run a module that neither a digest nor a key proves.
	Trust string `mapstructure:"trust"`
	// Isolation is where it runs: process or thread, "" for thread if it ships
	// with bulkhead and for process if not.
	Isolation string `mapstructure:"isolation"`
	// Options go to the driver, as key=value.
	Options []string `mapstructure:"options"`
	// Grants are the powers it is given.
	Grants []string `mapstructure:"grants"`
	// Limits bound it; 0 is the default of each.
	Limits DriverLimits `mapstructure:"limits"`
}

// TrustNone is the value of Trust that asks for no proof.
const TrustNone = "none"

// DriverLimits bound a driver and each of its calls.
type DriverLimits struct {
	Deadline     time.Duration `mapstructure:"deadline"`      // of one call's own work
	StreamIdle   time.Duration `mapstructure:"stream-idle"`   // of one wait for a stream
	Compile      time.Duration `mapstructure:"compile"`       // of its compilation, or of loading its code, by a process
	Log          Size          `mapstructure:"log"`           // written to the log by one call
	Output       Size          `mapstructure:"output"`        // of changes told by one call
	OpenFiles    int           `mapstructure:"open-files"`    // of one call
	Blocks       Size          `mapstructure:"blocks"`        // of all that is stored; 0 is no bound
	Inodes       int64         `mapstructure:"inodes"`        // names of all that is stored; 0 is no bound
	Memory       Size          `mapstructure:"memory"`        // of one instance
	MemoryBudget Size          `mapstructure:"memory-budget"` // of all instances
	HighWater    Size          `mapstructure:"high-water"`    // above which an instance is not kept
	Instances    int           `mapstructure:"instances"`     // kept for the next call; -1 none
}

// Dir is where the configuration file is looked for.
const Dir = "/etc/bulkhead"

// EnvFile is the environment variable that names the configuration file.
const EnvFile = "BULKHEAD_CONFIG"

// Default is what holds where nothing else is said, for the user who runs.
func Default() Config {
	return Config{
		Root:        dataDir(),
		LogLevel:    "warn",
		LogFormat:   "text",
		LockTimeout: 30 * time.Second,
		CacheDir:    cacheDir(),
		RunDir:      runDir(),
		Limits:      Limits{Layer: 64 << 30, Load: 256 << 30, Spool: 256 << 30, Entries: 1 << 20, Window: 64 << 20},
	}
}

func dataDir() string {
	if graphdriver.Privileged() {
		return "/var/lib/bulkhead"
	}
	return userDir("XDG_DATA_HOME", ".local/share")
}

func runDir() string {
	if graphdriver.Privileged() {
		return "/run/bulkhead"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bulkhead")
	}
	return userDir("XDG_CACHE_HOME", ".cache") + "/run"
}

func cacheDir() string {
	if graphdriver.Privileged() {
		return "/var/cache/bulkhead"
	}
	return userDir("XDG_CACHE_HOME", ".cache")
}

// userDir is our directory in one of the XDG base directories, "" for a user
// without a home.
func userDir(env, beneathHome string) string {
	if dir := os.Getenv(env); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bulkhead")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, beneathHome, "bulkhead")
}
