package host_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/hostile"
)

func TestAModuleThatIsNoDriverHarmsNothing(t *testing.T) {
	for _, iso := range isolations() {
		if underRace && iso.where == host.Process {
			continue // what they do is done in the child, which is slow then, and nothing of it is seen
		}
		t.Run(iso.name, func(t *testing.T) {
			goroutines, files := resources(t)
			func() {
				rt, err := iso.start(context.Background(), "")
				if err != nil {
					t.Fatal(err)
				}
				defer rt.Close(context.Background())
				root := t.TempDir()
				honest := beside(t, root)
				defer honest.d.Close(context.Background())
				for _, m := range hostile.Modules() {
					if m.Endless && iso.where == host.Thread {
						continue // nothing ends it but the end of the process
					}
					t.Run(m.Name, func(t *testing.T) {
						compile := rt.compile("hostile", m.Make(), engine.Limits{MemoryPages: 64, Compile: 3 * time.Second})
						err := tryModule(t, iso, m, filepath.Join(root, m.Name), compile)
						if !m.Verdict.Matches(err) {
							t.Errorf("%s: got %v, want %s", m.Claim, err, m.Verdict)
						} else if err != nil {
							for _, part := range []string{"driver hostile", m.Via, m.Says} {
								if !strings.Contains(err.Error(), part) {
									t.Errorf("the error does not tell %q: %v", part, err)
								}
							}
							if strings.Contains(err.Error(), "\n") && m.Verdict != hostile.Invalid {
								t.Errorf("the error has several lines: %v", err)
							}
						}
					})
				}
				honest.same(t)
			}()
			noLeaks(t, goroutines, files)
		})
	}
}

// tryModule opens a driver that is this module, and makes its attack.
func tryModule(t *testing.T, iso isolation, m hostile.Module, root string, compile host.Compile) error {
	t.Helper()
	ctx := context.Background()
	deadline := 20 * time.Second // of which a busy machine may need a part
	if strings.HasSuffix(m.Name, "loop") {
		deadline = time.Second / 2
	}
	d, err := host.Open(ctx, host.Config{
		Name: "hostile", Home: filepath.Join(root, "home"), State: filepath.Join(root, "state"),
		Isolation: iso.where, Unprivileged: unprivileged(), Limits: hostileLimits(deadline),
	}, compile)
	if err != nil {
		return err
	}
	defer d.Close(ctx)
	switch m.Via {
	case "":
	case "create":
		err = d.Create(ctx, "layer", "", graphdriver.CreateOptions{})
	default:
		t.Fatal("no way to ", m.Via)
	}
	if err != nil && m.Name != "configure-loop" {
		err = errors.Join(err, serves(d))
	}
	return err
}

// serves says whether a driver answers the next call.
func serves(d *host.Driver) error {
	if err := d.Cleanup(context.Background()); err != nil {
		return fmt.Errorf("the next call: %w", err)
	}
	return nil
}
