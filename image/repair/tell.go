package repair

import (
	"context"
	"strings"

	"github.com/bulkhead/bulkhead/image/check"
	"github.com/bulkhead/bulkhead/layer"
)

// tell looks again, as closely as before, and says of each finding what became
// of it: layers that could not be read then may be damaged themselves.
func (r *repair) tell(ctx context.Context, report func(Result) error) (left int, err error) {
	if len(r.found) == 0 {
		return 0, nil
	}
	again, err := r.look(ctx, !r.opts.Quick)
	if err != nil {
		return 0, err
	}
	still := map[key]check.Finding{}
	for _, f := range again {
		still[keyOf(f)] = f
	}
	for _, f := range r.found {
		k := keyOf(f)
		res := Result{Finding: f, Done: r.did[k]}
		_, there := still[k]
		delete(still, k)
		failure := r.failed[k]
		if err, tried := r.byLayer[layer.ChainID(f.Layer)]; tried && f.Layer != "" {
			if err == nil {
				res.Done = append(res.Done, r.did[key{layer: f.Layer}]...)
			} else if failure == nil {
				failure = err
			}
		}
		switch {
		case !there && len(res.Done) == 0:
			res.Done = []string{"it is gone with something else that was mended"}
		case there && failure != nil:
			res.Left = strings.ReplaceAll(failure.Error(), "\n", "; ")
		case there:
			res.Left = "nothing here could mend it"
		}
		if there {
			left++
		}
		if err := report(res); err != nil {
			return left, err
		}
	}
	for _, f := range again {
		if _, isNew := still[keyOf(f)]; !isNew {
			continue
		}
		left++
		if err := report(Result{Finding: f, Left: "it came to light by the repair: run it again"}); err != nil {
			return left, err
		}
	}
	return left, nil
}
