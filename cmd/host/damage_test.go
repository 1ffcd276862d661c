package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stored is where things lie in a root that is about to be damaged.
type stored struct {
	t             *testing.T
	root, driver  string
	low, top      string // directories of layerdb
	lowID, topID  string // cache IDs
	lowDir        string // of the lower layer's files
	topDir        string
	config, notes string
	names         string
}

func findStored(t *testing.T, root, driver string) stored {
	t.Helper()
	s := stored{t: t, root: root, driver: driver}
	base := filepath.Join(root, "image", driver)
	dirs, err := filepath.Glob(filepath.Join(base, "layerdb/sha256/*"))
	if err != nil || len(dirs) != 2 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		id := strings.TrimSpace(s.read(filepath.Join(dir, "cache-id")))
		if _, err := os.Stat(filepath.Join(dir, "parent")); err == nil {
			s.top, s.topID = dir, id
		} else {
			s.low, s.lowID = dir, id
		}
	}
	place := func(id string) string {
		if driver == "overlay2" {
			return filepath.Join(root, driver, id, "diff")
		}
		return filepath.Join(root, driver, "dir", id)
	}
	s.lowDir, s.topDir = place(s.lowID), place(s.topID)
	configs, err := filepath.Glob(filepath.Join(base, "imagedb/content/sha256/*"))
	if err != nil || len(configs) != 1 {
		t.Fatal(configs, err)
	}
	s.config = configs[0]
	s.notes = filepath.Join(base, "imagedb/metadata/sha256", filepath.Base(s.config))
	s.names = filepath.Join(base, "repositories.json")
	return s
}

func (s stored) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s stored) read(file string) string {
	s.t.Helper()
	b, err := os.ReadFile(file)
	s.must(err)
	return string(b)
}

// write gives a file other content.
func (s stored) write(file, text string) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(file), 0o700))
	s.must(os.WriteFile(file, []byte(text), 0o600))
}

// name adds a repository to the file of names.
func (s stored) name(repository string) {
	s.t.Helper()
	s.write(s.names, strings.Replace(s.read(s.names), `{"Repositories":{`, `{"Repositories":{`+repository+`,`, 1))
}

// quietly does something in a directory and puts its time back, so that only
// what is done is there to be found.
func (s stored) quietly(dir string, do func() error) {
	s.t.Helper()
	fi, err := os.Stat(dir)
	s.must(err)
	s.must(do())
	s.must(os.Chtimes(dir, fi.ModTime(), fi.ModTime()))
}

// damage is one thing that a person, a disk or another program did.
type damage struct {
	name string
	only string // driver
	do   func(s stored)
	kind string
	full bool // is found by reading only
	lost bool // takes with it what nothing else tells: short names, times of directories
}

func damages() []damage {
	remove := func(file func(s stored) string) func(s stored) {
		return func(s stored) { s.must(os.RemoveAll(file(s))) }
	}
	in := func(dir func(s stored) string, name string) func(s stored) string {
		return func(s stored) string { return filepath.Join(dir(s), name) }
	}
	low, top := func(s stored) string { return s.low }, func(s stored) string { return s.top }
	says := func(file func(s stored) string, text string) func(s stored) {
		return func(s stored) { s.write(file(s), text) }
	}
	files := func(s stored) string { return s.lowDir }
	alter := func(name, text string) func(s stored) {
		return func(s stored) {
			p := filepath.Join(s.topDir, name)
			fi, err := os.Stat(p)
			s.must(err)
			f, err := os.OpenFile(p, os.O_WRONLY|os.O_TRUNC, 0)
			s.must(err)
			_, err = io.WriteString(f, text)
			s.must(err)
			s.must(f.Close())
			s.must(os.Chtimes(p, fi.ModTime(), fi.ModTime()))
		}
	}
	return []damage{
		{name: "diff is missing", do: remove(in(low, "diff")), kind: "layer-unusable"},
		{name: "diff is no digest", do: says(in(low, "diff"), "sha256:no"), kind: "layer-unusable"},
		{name: "diff is another's", do: says(in(low, "diff"), "sha256:"+strings.Repeat("a", 64)), kind: "layer-unusable"},
		{name: "size is missing", do: remove(in(low, "size")), kind: "layer-unusable"},
		{name: "size is none", do: says(in(low, "size"), "-1"), kind: "layer-unusable"},
		{name: "size is wrong", do: says(in(low, "size"), "123456"), kind: "size-wrong", full: true},
		{name: "cache-id is missing", do: remove(in(low, "cache-id")), kind: "layer-unusable"},
		{name: "cache-id climbs", do: says(in(low, "cache-id"), "../../x"), kind: "layer-unusable"},
		{name: "cache-id names nothing", do: says(in(low, "cache-id"), strings.Repeat("0", 64)), kind: "tree-missing"},
		{name: "two layers name one tree", do: func(s stored) { s.write(filepath.Join(s.top, "cache-id"), s.lowID) }, kind: "tree-shared"},
		{name: "parent is missing", do: remove(in(top, "parent")), kind: "layer-unusable"},
		{name: "parent is not there", do: remove(low), kind: "layer-unusable"},
		{name: "the record is missing", do: remove(in(low, "tar-split.json.gz")), kind: "record-unreadable"},
		{name: "the record is no gzip", do: says(in(low, "tar-split.json.gz"), "text"), kind: "record-unreadable"},
		{name: "the record is a symlink", do: func(s stored) {
			p := filepath.Join(s.low, "tar-split.json.gz")
			s.must(os.Rename(p, p+".was"))
			s.must(os.Symlink(p+".was", p))
		}, kind: "record-unreadable"},
		{name: "the record is a fifo", do: func(s stored) {
			p := filepath.Join(s.low, "tar-split.json.gz")
			s.must(os.Remove(p))
			s.must(unix.Mkfifo(p, 0o600))
		}, kind: "record-unreadable"},
		{name: "the record is cut", do: func(s stored) { s.must(os.Truncate(filepath.Join(s.low, "tar-split.json.gz"), 40)) }, kind: "content-altered", full: true},
		{name: "the record is the other layer's", do: func(s stored) {
			s.write(filepath.Join(s.low, "tar-split.json.gz"), s.read(filepath.Join(s.top, "tar-split.json.gz")))
		}, kind: "file-altered", full: true},
		{name: "a file among the layers", do: func(s stored) { s.write(filepath.Join(filepath.Dir(s.low), "notes.txt"), "") }, kind: "stranger"},
		{name: "a removal that was not finished", do: func(s stored) { s.must(os.Rename(s.top, s.top+"-abc-removing")) }, kind: "removal-unfinished"},
		{name: "a layer that was begun", do: func(s stored) {
			s.write(filepath.Join(s.root, "bulkhead", s.driver, "journal", strings.Repeat("1", 64)), "")
		}, kind: "layer-unfinished"},
		{name: "files of a layer that came to nothing", do: func(s stored) {
			s.must(os.MkdirAll(filepath.Join(s.root, "image", s.driver, "layerdb/tmp/write-set-123"), 0o700))
		}, kind: "transaction-left"},
		{name: "anybody may write the layers", do: func(s stored) { s.must(os.Chmod(s.low, 0o777)) }, kind: "writable-by-others"},
		{name: "anybody may write a configuration", do: func(s stored) { s.must(os.Chmod(s.config, 0o666)) }, kind: "writable-by-others"},
		{name: "the tree is missing", do: func(s stored) {
			s.must(os.RemoveAll(strings.TrimSuffix(s.lowDir, "/diff")))
		}, kind: "tree-missing", lost: true},
		{name: "the driver's directory is missing", do: func(s stored) { s.must(os.RemoveAll(filepath.Join(s.root, s.driver))) }, kind: "tree-missing", lost: true},
		{name: "a tree that nobody has", do: func(s stored) {
			id := strings.Repeat("f", 64)
			s.must(os.MkdirAll(strings.Replace(s.lowDir, s.lowID, id, 1), 0o755))
		}, kind: "tree-orphaned"},
		{name: "link is missing", only: "overlay2", do: func(s stored) { s.must(os.Remove(filepath.Join(filepath.Dir(s.lowDir), "link"))) }, kind: "tree-unusable"},
		{name: "the short name is missing", only: "overlay2", do: func(s stored) {
			s.must(os.Remove(filepath.Join(s.root, "overlay2/l", s.read(filepath.Join(filepath.Dir(s.topDir), "link")))))
		}, kind: "tree-unusable"},
		{name: "the short name leads elsewhere", only: "overlay2", do: func(s stored) {
			p := filepath.Join(s.root, "overlay2/l", s.read(filepath.Join(filepath.Dir(s.topDir), "link")))
			s.must(os.Remove(p))
			s.must(os.Symlink("../"+s.lowID+"/diff", p))
		}, kind: "tree-unusable"},
		{name: "lower is empty", only: "overlay2", do: func(s stored) { s.write(filepath.Join(filepath.Dir(s.topDir), "lower"), "") }, kind: "tree-unusable"},
		{name: "lower climbs", only: "overlay2", do: func(s stored) { s.write(filepath.Join(filepath.Dir(s.topDir), "lower"), "l/../../x") }, kind: "tree-unusable"},
		{name: "a file has other content", do: alter("d/f", "another CONTENT"), kind: "file-altered", full: true},
		{name: "a file is shorter", do: alter("d/f", "another"), kind: "file-altered", full: true},
		{name: "a file is missing", do: func(s stored) {
			s.quietly(filepath.Join(s.lowDir, "d"), func() error { return os.Remove(filepath.Join(s.lowDir, "d/g")) })
		}, kind: "file-altered", full: true},
		{name: "a file too many", do: func(s stored) {
			s.quietly(filepath.Join(s.lowDir, "d"), func() error { return os.WriteFile(filepath.Join(s.lowDir, "d/more"), nil, 0o644) })
		}, kind: "file-altered", full: true},
		{name: "another mode", do: func(s stored) { s.must(os.Chmod(filepath.Join(s.lowDir, "d/g"), 0o4755)) }, kind: "file-altered", full: true},
		{name: "another time", do: func(s stored) { s.must(os.Chtimes(filepath.Join(s.lowDir, "d/g"), time.Now(), time.Now())) }, kind: "file-altered", full: true},
		{name: "an attribute too many", do: func(s stored) {
			s.must(unix.Setxattr(filepath.Join(s.lowDir, "d/g"), "user.more", []byte("x"), 0))
		}, kind: "file-altered", full: true},
		{name: "a symlink that leads elsewhere", do: func(s stored) {
			s.quietly(s.lowDir, func() error {
				p := filepath.Join(files(s), "link")
				if err := os.Remove(p); err != nil {
					return err
				}
				return os.Symlink("/etc/shadow", p)
			})
		}, kind: "file-altered", full: true},
		{name: "a hard link that is a copy", do: func(s stored) {
			s.quietly(s.lowDir, func() error {
				p := filepath.Join(files(s), "other")
				if err := os.Remove(p); err != nil {
					return err
				}
				if err := os.WriteFile(p, []byte("twins"), 0o644); err != nil {
					return err
				}
				return os.Chtimes(p, time.Unix(1700000000, 0), time.Unix(1700000000, 0))
			})
		}, kind: "file-altered", full: true},
		{name: "a directory in a file's place", do: func(s stored) {
			s.quietly(filepath.Join(s.lowDir, "d"), func() error {
				p := filepath.Join(s.lowDir, "d/g")
				if err := os.Remove(p); err != nil {
					return err
				}
				return os.Mkdir(p, 0o755)
			})
		}, kind: "file-altered", full: true},
		{name: "a fifo in a file's place", do: func(s stored) {
			s.quietly(filepath.Join(s.lowDir, "d"), func() error {
				p := filepath.Join(s.lowDir, "d/g")
				if err := os.Remove(p); err != nil {
					return err
				}
				return unix.Mkfifo(p, 0o644)
			})
		}, kind: "file-altered", full: true},
		{name: "a whiteout is gone", only: "overlay2", do: func(s stored) {
			s.quietly(s.topDir, func() error { return os.Remove(filepath.Join(s.topDir, "gone")) })
		}, kind: "file-altered", full: true},
		{name: "an opaque mark is gone", only: "overlay2", do: func(s stored) {
			s.must(unix.Removexattr(filepath.Join(s.topDir, "hidden"), "trusted.overlay.opaque"))
		}, kind: "file-altered", full: true},
		{name: "a configuration is missing", do: func(s stored) { s.must(os.Remove(s.config)) }, kind: "config-altered"},
		{name: "a configuration was edited", do: func(s stored) { s.write(s.config, strings.Replace(s.read(s.config), "amd64", "amd65", 1)) }, kind: "config-altered"},
		{name: "a configuration is a fifo", do: func(s stored) {
			s.must(os.Remove(s.config))
			s.must(unix.Mkfifo(s.config, 0o600))
		}, kind: "config-altered"},
		{name: "a file among the configurations", do: func(s stored) { s.write(filepath.Join(filepath.Dir(s.config), "x"), "") }, kind: "stranger"},
		{name: "a layer is missing", do: func(s stored) { s.must(os.RemoveAll(s.top)) }, kind: "layers-missing"},
		{name: "an image is gone and its layers are not", do: func(s stored) {
			s.must(os.Remove(s.config))
			s.must(os.RemoveAll(s.notes))
			s.write(s.names, `{"Repositories":{}}`)
		}, kind: "layer-unused"},
		{name: "the file of names is cut", do: func(s stored) { s.must(os.Truncate(s.names, 10)) }, kind: "names-unreadable"},
		{name: "the file of names is a fifo", do: func(s stored) {
			s.must(os.Remove(s.names))
			s.must(unix.Mkfifo(s.names, 0o600))
		}, kind: "names-unreadable"},
		{name: "the file of names is a symlink", do: func(s stored) {
			s.must(os.Rename(s.names, s.names+".was"))
			s.must(os.Symlink(s.names+".was", s.names))
		}, kind: "names-unreadable"},
		{name: "a name leads nowhere", do: func(s stored) {
			s.name(`"x":{"x:1":"sha256:` + strings.Repeat("e", 64) + `"}`)
		}, kind: "name-dangling"},
		{name: "a name is none", do: func(s stored) { s.name(`"x":{"UPPER CASE":"sha256:1"}`) }, kind: "name-dangling"},
		{name: "a parent is not there", do: func(s stored) { s.write(filepath.Join(s.notes, "parent"), "sha256:"+strings.Repeat("e", 64)) }, kind: "parent-missing"},
		{name: "a parent is none", do: func(s stored) { s.write(filepath.Join(s.notes, "parent"), "../../x") }, kind: "parent-missing"},
		{name: "notes of an image that is not there", do: func(s stored) {
			s.must(os.MkdirAll(filepath.Join(filepath.Dir(s.notes), strings.Repeat("e", 64)), 0o700))
		}, kind: "notes-orphaned"},
		{name: "a container's layer has no tree", do: func(s stored) {
			dir := filepath.Join(s.root, "image", s.driver, "layerdb/mounts/box")
			s.write(filepath.Join(dir, "mount-id"), strings.Repeat("c", 64))
			s.write(filepath.Join(dir, "parent"), "sha256:"+filepath.Base(s.low))
		}, kind: "tree-missing"},
		{name: "a container's layer is none", do: func(s stored) {
			s.write(filepath.Join(s.root, "image", s.driver, "layerdb/mounts/box/mount-id"), "../x")
		}, kind: "container-unusable"},
	}
}
