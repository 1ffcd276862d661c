package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"strings"

	"github.com/vbatts/tar-split/tar/storage"

	"github.com/klauspost/compress/gzip"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/layer/tarsplit"
)

// ExamineContent reads one layer, as Verifier.Verify does, and tells report of
// each file that is not as its archive says, and of a size that is not the
// layer's.
func (v *Verifier) ExamineContent(ctx context.Context, id ChainID, report func(Fault) error) error {
	return v.s.with(ctx, id, func(rec *record) error {
		err := v.Verify(ctx, id)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, f := range v.s.faultsOf(rec, err) {
			if err := report(f); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // a size would say the same once more
		}
		sizes, err := v.s.sizesOf(ctx, rec)
		if err != nil {
			return err
		}
		for _, n := range sizes {
			if n == rec.size {
				return nil
			}
		}
		return report(v.s.fault(FaultSize, filepath.Join(rec.dir, fileSize), rec.chain, "says %d, and the layer has %d", rec.size, sizes[0]))
	})
}

// faultsOf makes one fault of all that is wrong with a file. A digest that
// comes after the files whose content made it another says nothing new.
func (s *Store) faultsOf(rec *record, err error) (out []Fault) {
	files := map[string]int{}
	for _, err := range apart(err) {
		var file *FileError
		if !errors.As(err, &file) {
			if len(files) == 0 || !errors.Is(err, ErrCorrupt) {
				out = append(out, s.fault(FaultContent, rec.dir, rec.chain, "%v", err))
			}
			continue
		}
		if i, known := files[file.File]; known {
			out[i].What += "; " + file.Cause.Error()
			continue
		}
		files[file.File] = len(out)
		out = append(out, Fault{Kind: FaultFile, Path: file.File, Chain: rec.chain, What: file.Cause.Error()})
	}
	return out
}

// apart takes joined errors apart. One that wraps several in a text of its own
// stays whole.
func apart(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	var texts []string
	for _, e := range joined.Unwrap() {
		all = append(all, apart(e)...)
		texts = append(texts, e.Error())
	}
	if err.Error() != strings.Join(texts, "\n") {
		return []error{err}
	}
	return all
}

// sizesOf are what a layer's size may be: what its archive's files have
// together, and what the driver counts. Which of them is noted depends on the
// driver, and on which program wrote it.
func (s *Store) sizesOf(ctx context.Context, rec *record) ([]int64, error) {
	driver, err := s.driver()
	if err != nil {
		return nil, err
	}
	sum, err := s.archived(rec)
	if errors.Is(err, fs.ErrNotExist) {
		return []int64{rec.size}, nil // nobody else knows
	}
	if err != nil {
		return nil, err
	}
	counted, err := driver.DiffSize(ctx, rec.cacheID, rec.parentCacheID())
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return []int64{rec.size}, nil // Examine says why
	}
	if graphdriver.CapabilitiesOf(driver).Deltas {
		return []int64{counted, sum}, nil
	}
	return []int64{sum, counted}, nil
}

// archived is what the files of a layer's archive have together, as its
// tar-split data says.
func (s *Store) archived(rec *record) (sum int64, err error) {
	split, err := s.openTarSplit(rec)
	if err != nil {
		return 0, err
	}
	defer split.Close()
	zip, err := gzip.NewReader(split)
	if err != nil {
		return 0, err
	}
	for r := tarsplit.NewReader(zip); ; {
		e, err := r.Next()
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return 0, err
		}
		if e.Type != storage.FileType {
			continue
		}
		if e.Size < 0 || e.Size > math.MaxInt64-sum {
			return 0, fmt.Errorf("%s: files of impossible size", fileTarSplit)
		}
		sum += e.Size
	}
}
