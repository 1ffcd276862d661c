package confine

import (
	"context"

	"golang.org/x/sys/unix"
)

// Tree emits all that lies beneath the directory p, at any depth and sorted by
// name, with name in place of p. told is asked before each entry.
func (t *TarWriter) Tree(tree Tree, p, name string, told func(name string) error) error {
	if name != "." {
		if err := t.lead(tree, p, name); err != nil {
			return err
		}
	}
	return t.beneath(NewLister(), tree, p, name, told)
}

func (t *TarWriter) beneath(l *Lister, tree Tree, p, name string, told func(name string) error) error {
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	names, err := l.List(tree, p, false)
	if err != nil {
		return err
	}
	for i := range names {
		n := &names[i]
		as := join(name, n.Name)
		if err := told(as); err != nil {
			return err
		}
		if err := t.put(tree, join(clean(p), n.Name), as); err != nil {
			return err
		}
		if n.Stat.Type() != unix.S_IFDIR {
			continue
		}
		if err := t.beneath(l, tree, join(clean(p), n.Name), as, told); err != nil {
			return err
		}
	}
	return nil
}
