package archive_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

func manifestOf(t *testing.T, config string, layers []string, tags ...string) string {
	return string(asJSON(t, []any{map[string]any{"Config": config, "RepoTags": tags, "Layers": layers}}))
}

func TestHostileDockerSaveArchivesAreRefusedAndLeaveNothing(t *testing.T) {
	s := newSample(t, "one", "two")
	good := dockerFiles(t, s, "app:1")
	config := hex(s.config) + ".json"
	l0, l1 := strings.Repeat("a", 64)+"/layer.tar", strings.Repeat("b", 64)+"/layer.tar"
	manifest := func(text string) []file {
		return replace(good, "manifest.json", file{name: "manifest.json", data: text})
	}
	gz := compressed(t, "gzip", s.layers[1])
	for name, c := range map[string]struct {
		files []file
		want  error
	}{
		"manifest is a link":       {replace(good, "manifest.json", file{name: "manifest.json", kind: tar.TypeSymlink, link: config}), input.ErrRefused},
		"manifest is a pipe":       {replace(good, "manifest.json", file{name: "manifest.json", kind: tar.TypeFifo}), input.ErrRefused},
		"manifest is a directory":  {replace(good, "manifest.json", file{name: "manifest.json", kind: tar.TypeDir}), input.ErrRefused},
		"manifest is null":         {manifest("null"), input.ErrRefused},
		"manifest is empty":        {manifest("[]"), input.ErrRefused},
		"manifest is not JSON":     {manifest("[{"), input.ErrRefused},
		"manifest has more behind": {manifest("[] []"), input.ErrRefused},
		"manifest is huge":         {manifest("[" + strings.Repeat(" ", 5<<20) + "]"), input.ErrRefused},
		"no manifest":              {replace(good, "manifest.json", file{}), input.ErrRefused},
		"configuration is a link":  {replace(good, config, file{name: config, kind: tar.TypeSymlink, link: "manifest.json"}), input.ErrRefused},
		"configuration is missing": {replace(good, config, file{}), input.ErrMissing},
		"configuration is huge":    {replace(good, config, file{name: config, data: strings.Repeat(" ", 9<<20)}), input.ErrRefused},
		"configuration of another": {replace(good, config, file{name: config, data: `{"rootfs":{"type":"layers","diff_ids":[]}}`}), input.ErrRefused},
		"configuration outside":    {manifest(manifestOf(t, "../"+config, []string{l0, l1})), input.ErrRefused},
		"configuration absolute":   {manifest(manifestOf(t, "/etc/passwd", []string{l0, l1})), input.ErrRefused},
		"one layer too few":        {manifest(manifestOf(t, config, []string{l0})), input.ErrRefused},
		"one layer too many":       {manifest(manifestOf(t, config, []string{l0, l1, l1})), input.ErrRefused},
		"layers in another order":  {manifest(manifestOf(t, config, []string{l1, l0})), layer.ErrDigestMismatch},
		"layer is missing":         {replace(good, l1, file{}), input.ErrMissing},
		"layer is a pipe":          {replace(good, l1, file{name: l1, kind: tar.TypeFifo}), input.ErrRefused},
		"layer is a device":        {replace(good, l1, file{name: l1, kind: tar.TypeBlock}), input.ErrRefused},
		"layer is a directory":     {replace(good, l1, file{name: l1, kind: tar.TypeDir}), input.ErrRefused},
		"layer links outside":      {replace(good, l1, file{name: l1, kind: tar.TypeSymlink, link: "../../../etc/passwd"}), input.ErrRefused},
		"layer links to the root":  {replace(good, l1, file{name: l1, kind: tar.TypeSymlink, link: "/etc/passwd"}), input.ErrRefused},
		"layer links to itself":    {replace(good, l1, file{name: l1, kind: tar.TypeSymlink, link: "layer.tar"}), input.ErrRefused},
		"layer is no tar":          {replace(good, l1, file{name: l1, data: "not a tar"}), layertar.ErrRefused},
		"layer is another":         {replace(good, l1, file{name: l1, data: string(makeTar(t, file{name: "evil"}))}), layer.ErrDigestMismatch},
		"layer is cut off":         {replace(good, l1, file{name: l1, data: string(gz[:len(gz)-9])}), input.ErrRefused},
		"layer is xz":              {replace(good, l1, file{name: l1, data: "\xfd7zXZ\x00rest"}), input.ErrRefused},
		"name climbs":              {append(good[:len(good):len(good)], file{name: "../evil"}), input.ErrRefused},
		"name climbs inside":       {append(good[:len(good):len(good)], file{name: "a/../evil"}), input.ErrRefused},
		"name is absolute":         {append(good[:len(good):len(good)], file{name: "/evil"}), input.ErrRefused},
		"name is too long":         {append(good[:len(good):len(good)], file{name: strings.Repeat("n/", 3000) + "n"}), input.ErrRefused},
		"file occurs twice":        {append(good[:len(good):len(good)], file{name: "./manifest.json", data: "[]"}), input.ErrRefused},
		"tag is no name":           {manifest(manifestOf(t, config, []string{l0, l1}, "UPPER:1")), input.ErrRefused},
		"tag looks like an ID":     {manifest(manifestOf(t, config, []string{l0, l1}, "sha256:1")), input.ErrRefused},
		"tag is a digest":          {manifest(manifestOf(t, config, []string{l0, l1}, "a@sha256:"+strings.Repeat("0", 64))), input.ErrRefused},
		"only the old layout":      {[]file{{name: "repositories", data: "{}"}}, input.ErrRefused},
		"some other tar":           {[]file{{name: "readme", data: "hello"}}, input.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			_, err := load(t, stores(t, root), writeArchive(t, makeTar(t, c.files...)))
			wantError(t, err, c.want)
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			wantNothing(t, root)
		})
	}
}

func TestTruncatedArchiveIsRefusedWhereverItEnds(t *testing.T) {
	whole := makeTar(t, dockerFiles(t, newSample(t, "one"), "app:1")...)
	root := t.TempDir()
	st := stores(t, root)
	for n := 0; n < len(whole)-4096; n += 509 {
		if _, err := load(t, st, writeArchive(t, whole[:n])); err == nil {
			t.Errorf("an archive cut at %d of %d bytes was loaded", n, len(whole))
		}
	}
	wantNothing(t, root)
}

func TestSparseEntriesAreRefused(t *testing.T) {
	gnu := makeTar(t, file{name: "f", data: strings.Repeat("x", 600)})
	gnu[156] = 'S'
	copy(gnu[257:], "ustar  \x00")
	fixChecksum(gnu[:512])

	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	const key = "BULKHEAD.XXmajor" // as long as the one it stands for
	if err := tw.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg, PAXRecords: map[string]string{key: "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	pax := bytes.Replace(buf.Bytes(), []byte(key), []byte("GNU.sparse.major"), 1)

	for name, data := range map[string][]byte{"GNU": gnu, "PAX": pax} {
		_, err := load(t, stores(t, t.TempDir()), writeArchive(t, data))
		if wantError(t, err, input.ErrRefused); err != nil && !strings.Contains(err.Error(), "sparse") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fixChecksum writes the sum of a header that was changed.
func fixChecksum(hdr []byte) {
	copy(hdr[148:156], "        ")
	sum := 0
	for _, b := range hdr {
		sum += int(b)
	}
	const digits = "01234567"
	for i := 153; i >= 148; i-- {
		hdr[i] = digits[sum&7]
		sum >>= 3
	}
	hdr[154], hdr[155] = 0, ' '
}

func TestLayerThatGrowsBeyondTheLimitIsRefused(t *testing.T) {
	s := newSample(t, strings.Repeat("0", 4<<20))
	packed := s
	packed.layers = [][]byte{compressed(t, "gzip", s.layers[0])}
	path := writeArchive(t, makeTar(t, dockerFiles(t, packed, "app:1")...))
	for _, limits := range []archive.Limits{{Layer: 1 << 20}, {Total: 1 << 20}} {
		root := t.TempDir()
		_, err := loadWith(t, stores(t, root), path, archive.LoadOptions{Limits: limits})
		wantError(t, err, input.ErrRefused)
		wantNothing(t, root)
	}
}

func TestNothingButRegularFilesOfDirectoryIsOpened(t *testing.T) {
	s := newSample(t, "one")
	for _, victim := range []string{"index.json", "manifest", "config", "layer"} {
		for _, with := range []string{"pipe", "link", "socket", "directory"} {
			t.Run(victim+" is a "+with, func(t *testing.T) {
				dir, names := ociDir(t, s)
				path := filepath.Join(dir, names[victim])
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				switch with {
				case "pipe":
					err = syscall.Mkfifo(path, 0o600)
				case "link":
					outside := filepath.Join(t.TempDir(), "same-content")
					if err = os.WriteFile(outside, data, 0o600); err == nil {
						err = os.Symlink(outside, path)
					}
				case "socket":
					err = syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0)
				case "directory":
					err = os.Mkdir(path, 0o700)
				}
				if err != nil {
					t.Fatal(err)
				}
				root := t.TempDir()
				done := make(chan error, 1)
				go func() {
					_, err := load(t, stores(t, root), dir)
					done <- err
				}()
				select {
				case err := <-done:
					wantError(t, err, input.ErrRefused)
				case <-time.After(20 * time.Second):
					t.Fatal("waits for ever")
				}
				wantNothing(t, root)
			})
		}
	}
}

func TestLinkedDirectoryInOCIDirectoryIsRefused(t *testing.T) {
	dir, _ := ociDir(t, newSample(t, "one"))
	away := filepath.Join(t.TempDir(), "blobs")
	if err := os.Rename(filepath.Join(dir, "blobs"), away); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(away, filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	_, err := load(t, stores(t, root), dir)
	wantError(t, err, input.ErrRefused)
	wantNothing(t, root)
}

// change edits a JSON document in place.
func change(t *testing.T, path string, edit func(map[string]any)) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	edit(doc)
	data = asJSON(t, doc)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return data
}
