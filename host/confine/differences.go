package confine

import (
	"context"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Same says whether metadata alone proves that a name means the same in both
// trees. It is called concurrently, for directories too: then for the
// directory alone, not for what lies in it.
type Same func(old, new *Name) bool

// Differences is what a walk through two trees found: for each directory that
// both have, the names on which they do not agree.
type Differences struct {
	root *pairDir
}

// pairDir is one directory that both trees have.
type pairDir struct {
	path           string
	olds, news     []Name
	oldErr, newErr error
	kids           map[string]*pairDir
	same           bool // the directory itself
	differs        bool // something in it or beneath it
}

// Walk compares directory p of two trees and all beneath it, with that many
// goroutines, which have ended when it returns. An error of one directory is
// that directory's; a done ctx ends the walk.
func (l *Lister) Walk(ctx context.Context, old, new Tree, p string, attrs bool, same Same, walkers int) (*Differences, error) {
	w := &pairWalk{l: l, ctx: ctx, old: old, new: new, attrs: attrs, same: same}
	w.more.L = &w.mu
	root := &pairDir{path: clean(p), same: true}
	w.queue, w.open = []*pairDir{root}, 1
	var all sync.WaitGroup
	for range walkers {
		all.Go(w.run)
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	root.settle()
	return &Differences{root}, nil
}

type pairWalk struct {
	l        *Lister
	ctx      context.Context
	old, new Tree
	attrs    bool
	same     Same

	mu    sync.Mutex
	more  sync.Cond
	queue []*pairDir
	open  int // directories queued or at work
}

func (w *pairWalk) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.open > 0 {
		if len(w.queue) == 0 {
			w.more.Wait()
			continue
		}
		d := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		w.mu.Unlock()
		if w.ctx.Err() == nil {
			w.look(d)
		}
		w.mu.Lock()
		for _, kid := range d.kids {
			w.queue = append(w.queue, kid)
		}
		w.open += len(d.kids) - 1
		if len(d.kids) > 1 || w.open == 0 {
			w.more.Broadcast()
		}
	}
}

// look lists one directory and leaves out what agrees.
func (w *pairWalk) look(d *pairDir) {
	olds, news, oldErr, newErr := w.l.Pair(w.old, w.new, d.path, w.attrs)
	d.oldErr, d.newErr = oldErr, newErr
	if oldErr != nil || newErr != nil {
		d.olds, d.news, d.differs = olds, news, true
		return
	}
	d.olds, d.news = Differing(olds, news, func(old, new *Name) bool {
		same := w.same(old, new)
		if new.Stat.Type() != unix.S_IFDIR || old.Stat.Type() != unix.S_IFDIR {
			return same
		}
		if d.kids == nil {
			d.kids = map[string]*pairDir{}
		}
		d.kids[new.Name] = &pairDir{path: join(d.path, new.Name), same: same}
		return false
	})
	d.differs = len(d.olds)+len(d.news) > 2*len(d.kids) // more than directories that both have
}

// Differing leaves out of two sorted listings the names that are in both and
// for which same holds. The slices are reused.
func Differing(olds, news []Name, same Same) (o, n []Name) {
	o, n = olds[:0], news[:0]
	for i := range news {
		name := news[i]
		for len(olds) > 0 && olds[0].Name < name.Name {
			o, olds = append(o, olds[0]), olds[1:]
		}
		if len(olds) > 0 && olds[0].Name == name.Name {
			was := olds[0]
			olds = olds[1:]
			if same(&was, &name) {
				continue
			}
			o = append(o, was)
		}
		n = append(n, name)
	}
	o = append(o, olds...)
	return o, n
}

// settle says of each directory whether anything beneath it differs, and
// leaves out those that agree and of which nothing does.
func (d *pairDir) settle() {
	for _, kid := range d.kids {
		kid.settle()
		d.differs = d.differs || kid.differs || !kid.same
	}
	if d.kids == nil {
		return
	}
	agrees := func(n Name) bool {
		kid := d.kids[n.Name]
		return kid != nil && kid.same && !kid.differs
	}
	d.olds, d.news = slices.DeleteFunc(d.olds, agrees), slices.DeleteFunc(d.news, agrees)
}

// At is the directory p, which both trees have: the names of each on which
// they do not agree, or the error at which listing it ended. both is false for
// what was not walked.
func (d *Differences) At(p string) (olds, news []Name, oldErr, newErr error, both bool) {
	at := d.root
	rest := clean(p)
	if at.path != "." {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, at.path), "/")
	}
	for rest != "" && rest != "." {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if at = at.kids[name]; at == nil {
			return nil, nil, nil, nil, false
		}
	}
	return at.olds, at.news, at.oldErr, at.newErr, true
}

// Covers reports whether p was walked.
func (d *Differences) Covers(p string) bool {
	root, p := d.root.path, clean(p)
	return root == "." || p == root || strings.HasPrefix(p, root+"/")
}
