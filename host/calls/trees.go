package calls

import (
	"fmt"
	"path"
	"sync"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/confine"
)

// compareReaders is how many pairs files_equal compares at a time.
const compareReaders = 2

// compareBuffer is read from each file at a time, in bytes.
const compareBuffer = 64 << 10

// FilesEqual implements Imports.
func (c *Call) FilesEqual(req, out []byte) int32 {
	if err := c.reads(); err != nil {
		return c.answer(err)
	}
	if err := c.asks(req); err != nil {
		return c.answer(err)
	}
	var pairs []equalPair
	for len(req) > 0 {
		rec, rest, ok, code := abi.Next(req)
		if code != abi.OK || !ok {
			return c.answer(fmt.Errorf("files_equal: malformed record: %w", abi.Invalid))
		}
		p, err := c.pair(rec)
		if err != nil {
			return c.answer(err)
		}
		pairs = append(pairs, p)
		req = rest
	}
	if len(pairs) > len(out) {
		return int32(len(pairs))
	}
	var wg sync.WaitGroup
	n := (len(pairs) + compareReaders - 1) / compareReaders
	for i := range compareReaders {
		from, to := min(i*n, len(pairs)), min((i+1)*n, len(pairs))
		if from == to {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			c.compare(i, pairs[from:to], out[from:to])
		}()
	}
	wg.Wait()
	if c.ctx.Err() != nil {
		return c.answer(c.enter())
	}
	return int32(len(pairs))
}

type equalPair struct {
	a, b   base
	pa, pb string
}

func (c *Call) pair(rec abi.Record) (equalPair, error) {
	p, ok := abi.ParsePair(rec)
	if !ok || rec.Flags != 0 {
		return equalPair{}, fmt.Errorf("files_equal: record of kind %#x: %w", rec.Kind, abi.Invalid)
	}
	a, pa, err := c.treeAt(p.BaseA, p.PathA)
	if err != nil {
		return equalPair{}, err
	}
	b, pb, err := c.treeAt(p.BaseB, p.PathB)
	return equalPair{a: a, b: b, pa: pa, pb: pb}, err
}

// compare fills out with 1 for equal and 0 for anything else: a file that is
// missing or not regular makes its pair different.
func (c *Call) compare(i int, pairs []equalPair, out []byte) {
	bufs := &c.buffers[i]
	if bufs[0] == nil {
		bufs[0], bufs[1] = make([]byte, compareBuffer), make([]byte, compareBuffer)
	}
	for k, p := range pairs {
		out[k] = 0
		if eq, err := confine.EqualFiles(c.ctx, p.a.tree(), p.pa, p.b.tree(), p.pb, bufs); err == nil && eq {
			out[k] = 1
		}
	}
}

// TreeCopy implements Imports.
func (c *Call) TreeCopy(srcBase uint64, src []byte, dstBase uint64, dst []byte) int32 {
	if err := c.writes(); err != nil {
		return c.answer(err)
	}
	from, sp, err := c.at(srcBase, src)
	if err != nil {
		return c.answer(err)
	}
	return c.writeTree(dstBase, dst, alter, func(to base, dp string) error {
		if err := c.inPlace(from); err != nil {
			return err
		}
		if inside(path.Join(to.path, dp), path.Join(from.path, sp)) {
			return fmt.Errorf("a copy of %q into itself: %w", sp, abi.Invalid)
		}
		return confine.CopyTree(c.ctx, from.dir, sp, to.dir, dp, c.env.Unprivileged)
	})
}

// TreeRemove implements Imports.
func (c *Call) TreeRemove(handle uint64, p []byte) int32 {
	return c.writeTree(handle, p, detach, func(b base, p string) error {
		return b.dir.RemoveTree(c.ctx, p)
	})
}

// TreeUsage implements Imports.
func (c *Call) TreeUsage(handle uint64, p []byte) int64 {
	if err := c.reads(); err != nil {
		return int64(c.answer(err))
	}
	b, clean, err := c.at(handle, p)
	if err != nil {
		return int64(c.answer(err))
	}
	n, err := b.dir.Usage(c.ctx, clean)
	if err != nil {
		return int64(c.answer(err))
	}
	return n
}
