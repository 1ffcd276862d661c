package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/process"
)

// isolation is one place where modules run: what is promised holds in each.
type isolation struct {
	name  string
	where host.Isolation
	start func(ctx context.Context, cacheDir string) (runner, error)
}

// runner compiles modules for host.Open.
type runner interface {
	compile(name string, wasm []byte, limits engine.Limits) host.Compile
	Close(ctx context.Context) error
}

func isolations() []isolation {
	return []isolation{
		{"thread", host.Thread, func(ctx context.Context, dir string) (runner, error) {
			rt, err := engine.New(ctx, engine.Config{CacheDir: dir})
			return threads{rt}, err
		}},
		{"process", host.Process, func(ctx context.Context, dir string) (runner, error) {
			rt, err := process.New(ctx, process.Config{CacheDir: dir})
			return processes{rt}, err
		}},
	}
}

// in is a runner of this isolation that ends with the test.
func (iso isolation) in(t testing.TB) runner {
	t.Helper()
	r, err := iso.start(context.Background(), nativeDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

type threads struct{ *engine.Runtime }

func (r threads) compile(name string, wasm []byte, limits engine.Limits) host.Compile {
	return host.Wasm(r.Runtime, name, wasm, limits)
}

type processes struct{ *process.Runtime }

func (r processes) compile(name string, wasm []byte, limits engine.Limits) host.Compile {
	if underRace && limits.Compile == 0 {
		limits.Compile = 10 * time.Minute // the compiler, too, is watched
	}
	return host.InProcess(r.Runtime, name, wasm, limits)
}
