package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// altered is what alter did to a tree. It lies beside it, for the processes
// that are to find it out.
type altered struct {
	Added, Changed, Removed int
	// Opened files were opened to write to and not written: an overlay copies
	// them up, and only their content tells that nothing happened.
	Opened int
}

func alteredAt(root string) string { return filepath.Join(root, "altered") }

// alter changes every hundredth file: a tenth of them goes, another gets a new
// file beside it. Every hundredth is opened only.
func alter(dir string) (altered, error) {
	n := 0
	var did altered
	var files, opened []string
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if n++; n%100 == 0 {
				files = append(files, p)
			} else if n%100 == 50 {
				opened = append(opened, p)
			}
		}
		return err
	})
	if err != nil {
		return did, err
	}
	for i, p := range files {
		switch i % 10 {
		case 0:
			did.Removed++
			err = os.Remove(p)
		case 1:
			did.Added++
			err = os.WriteFile(p+".new", []byte("new"), 0o644)
		default:
			did.Changed++
			err = os.WriteFile(p, []byte(fmt.Sprintf("changed %d", i)), 0o644)
		}
		if err != nil {
			return did, err
		}
	}
	for _, p := range opened {
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrPermission) {
			continue // not root, and not a file to write to
		}
		if err != nil {
			return did, err
		}
		if err := f.Close(); err != nil {
			return did, err
		}
		did.Opened++
	}
	return did, nil
}

// found checks a list of changes against what was done. Directories that hold
// changes are listed too, and other names of a file that was changed.
func (did altered) found(added, changed, removed int) error {
	if added != did.Added || removed != did.Removed || changed < did.Changed {
		return fmt.Errorf("%d added, %d changed, %d removed were found where %d, %d and %d were", added, changed, removed, did.Added, did.Changed, did.Removed)
	}
	return nil
}

// archived checks what lies in an archive of the changes. Files that were only
// opened may be in it.
func (did altered) archived(files, whiteouts int) error {
	least := did.Added + did.Changed
	if whiteouts != did.Removed || files < least || files > least+did.Opened {
		return fmt.Errorf("%d files and %d whiteouts are in the archive of %+v", files, whiteouts, did)
	}
	return nil
}
