//go:build fault

package fault

import (
	"os"
	"strings"
	"testing"
)

// A program that left syncs out would be found out: they are answered without
// being made, and when the command has succeeded the power is cut.
func TestAProgramThatDoesNotSyncIsFoundToLoseThings(t *testing.T) {
	in := makeImages(t)
	sync := func(p point) bool { return strings.Contains(p.call, "sync") }
	isDir := func(p point, root string) bool {
		fi, err := os.Stat(root + p.path)
		return err == nil && fi.IsDir()
	}
	grounds := []*ground{newGround(t, scenarios()[0], "overlay2", in), newGround(t, scenarios()[0], "vfs", in)}
	for _, left := range []struct {
		name string
		out  func(p point, root string) bool
	}{
		{"nothing is synced", func(p point, _ string) bool { return sync(p) }},
		{"file systems are not synced", func(p point, _ string) bool { return p.call == "syncfs" }},
		{"files are not synced", func(p point, root string) bool { return p.call == "fsync" && !isDir(p, root) }},
		{"directories are not synced", func(p point, root string) bool { return p.call == "fsync" && isDir(p, root) }},
	} {
		t.Run(left.name, func(t *testing.T) {
			skipped, found := 0, []string{}
			for _, g := range grounds {
				for _, options := range settings["ext4"] {
					p, done := g.fresh(t, options)
					out, err := run(p.interrupted(g), p.disk.dir, func(at point) verdict {
						if !left.out(at, p.disk.dir) {
							return verdict{}
						}
						skipped++
						return verdict{skip: true}
					})
					if err != nil || out.code != 0 {
						t.Fatalf("exit %d: %v: %s", out.code, err, out.stderr)
					}
					p.disk.cutPower()
					found = append(found, g.judge(p, out)...)
					done()
				}
			}
			if skipped == 0 {
				t.Fatal("no sync was left out")
			}
			if len(found) == 0 {
				t.Errorf("%d syncs were left out, and nothing was found lost", skipped)
			}
			t.Logf("%d syncs left out, %d losses, such as: %.300s", skipped, len(found), strings.Join(found, "; "))
		})
	}
}
