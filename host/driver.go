package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/confine"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/native"
	"github.com/bulkhead/bulkhead/host/engine/process"
)

// Driver is a graph driver that is a module. It implements graphdriver.Driver,
// EntryApplier, DiffGetterDriver, Sealer and CapabilityDriver, and may be used
// concurrently. Where the module has no method of DiffDriver, or answers that
// it would rather not, the call is ErrUseNaive; Complete closes that gap.
type Driver struct {
	cfg     Config
	modules *modules
	home    *confine.Dir
	env     *calls.Env
	locks   *layerlock.Table // of layer ids
	notes   *notes
	held    held
	budget  budget
	// lineage is what others know of layers that there are no notes of.
	lineage lineage
	// twins are trees that stacks name, though no layer lies there.
	twins twins
	open  context.Context // until Close
	shut  context.CancelCauseFunc
	// reloading holds one token, whoever reloads has it.
	reloading chan struct{}
}

// errClosed ends the streams of a driver that is closed.
var errClosed = errors.New("driver is closed")

// Open opens a driver's home with a module that New compiled. The module is
// closed with the Driver.
func Open(ctx context.Context, cfg Config, compile Compile) (_ *Driver, err error) {
	cfg, err = cfg.fill()
	if err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, locks: layerlock.New(), reloading: make(chan struct{}, 1)}
	d.open, d.shut = context.WithCancelCause(context.WithoutCancel(ctx))
	first, err := d.load(ctx, compile)
	if err != nil {
		return nil, err
	}
	d.modules = newModules(first)
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := d.openHome(ctx); err != nil {
		return nil, d.named(err)
	}
	d.cleanMounts(ctx)
	return d, nil
}

// load compiles a module and asks it what it is.
func (d *Driver) load(ctx context.Context, compile Compile) (*loaded, error) {
	l := &loaded{}
	var err error
	if l.module, err = compile(ctx, func(ctx context.Context) (calls.Session, func(int32, error) error, error) {
		return d.configure(ctx, l)
	}); err != nil {
		return nil, d.refused(ctx, err)
	}
	if l.desc, err = Describe(ctx, l.module, d.cfg.Limits); err != nil {
		return nil, errors.Join(fmt.Errorf("driver %s: %w", d.cfg.Name, err), l.module.Close(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// refused says of a module that could not be compiled that it is no driver,
// unless it was something else that ended.
func (d *Driver) refused(ctx context.Context, err error) error {
	var limit *calls.LimitError
	var failure *engine.Failure
	switch {
	case errors.Is(err, engine.ErrNoProcess), errors.As(err, &failure):
	case errors.As(err, &limit):
		err = fmt.Errorf("%w: %w", err, graphdriver.ErrLimit)
	case ctx.Err() == nil:
		err = fmt.Errorf("%w: %w", err, graphdriver.ErrInvalid)
	}
	return d.named(err)
}

// Configure is asked for the session of an instance's first call.
type Configure = func(ctx context.Context) (s calls.Session, done func(code int32, err error) error, err error)

// Compile makes the module of a driver; configure is for its instances.
type Compile func(ctx context.Context, configure Configure) (engine.Module, error)

// Wasm compiles a module to run in this process.
func Wasm(rt *engine.Runtime, name string, wasm []byte, limits engine.Limits) Compile {
	return func(ctx context.Context, configure Configure) (engine.Module, error) {
		return rt.Compile(ctx, name, wasm, limits, engine.Options{Configure: configure})
	}
}

// InProcess has a child compile a module, and children run it.
func InProcess(rt *process.Runtime, name string, wasm []byte, limits engine.Limits) Compile {
	return func(ctx context.Context, configure Configure) (engine.Module, error) {
		return rt.Compile(ctx, name, wasm, limits, engine.Options{Configure: configure})
	}
}

// Native runs a driver's Go code in place of a module: the same code over the
// same calls without a sandbox, to measure and to test by.
func Native(driver guest.Driver) Compile {
	return func(_ context.Context, configure Configure) (engine.Module, error) {
		return native.New(driver, engine.Options{Configure: configure}), nil
	}
}

func (d *Driver) openHome(ctx context.Context) error {
	made := false
	if !d.cfg.ReadOnly {
		if _, err := os.Lstat(d.cfg.Home); errors.Is(err, os.ErrNotExist) {
			made = true
		}
		for _, dir := range []string{d.cfg.Home, d.cfg.State} {
			if err := os.MkdirAll(dir, 0o710); err != nil {
				return err
			}
		}
	}
	var err error
	if d.home, err = confine.OpenDir(d.cfg.Home); err != nil {
		return err
	}
	d.notes = &notes{dir: d.cfg.State, readOnly: d.cfg.ReadOnly}
	if !d.cfg.ReadOnly {
		if err := d.notes.sweep(); err != nil {
			return err
		}
	}
	if err := d.believe(made); err != nil {
		return err
	}
	if err := d.openBudget(ctx); err != nil {
		return err
	}
	d.env = &calls.Env{
		Home: d.home, ScratchParent: d.cfg.Scratch, Seals: calls.NewSeals(), Locks: layerlock.New(),
		Grants: d.cfg.Grants, Unprivileged: d.cfg.Unprivileged, ReadOnly: d.cfg.ReadOnly, ReadsFiles: d.Description().Has(abi.MethodReadFile),
		MayHold: d.notes.mayLie, Limits: d.cfg.Limits, Log: d.log,
	}
	if err := d.setup(ctx, made); err != nil {
		if made { // an empty home would be taken for one that was used
			os.Remove(d.cfg.Home)
			os.Remove(d.cfg.State)
		}
		return err
	}
	return nil
}

// homeNote is what the host remembers of a home as a whole.
type homeNote struct {
	Driver     string `json:"driver"`
	DiskFormat uint32 `json:"diskFormat"`
	// Unprivileged: who wrote here could not give files away, and recorded
	// owners, modes and devices. Records in any other home are not believed.
	Unprivileged bool `json:"unprivileged,omitempty"`
}

// believe makes the home show what was recorded, if its note says that there
// are records: of the user whom the home belongs to, or who writes here now.
func (d *Driver) believe(made bool) error {
	var n homeNote
	if _, err := d.notes.read("home", &n); err != nil {
		return err
	}
	switch {
	case d.cfg.Unprivileged && !d.cfg.ReadOnly:
		d.home.Believe(uint32(os.Geteuid()))
	case n.Unprivileged && !made:
		st, err := d.home.Lstat(".", confine.NoLinks)
		if err != nil {
			return err
		}
		d.home.Believe(st.UID)
	}
	return nil
}

// setup runs once per home, before anything writes to it, and refuses a home
// that another disk format was written to.
func (d *Driver) setup(ctx context.Context, made bool) error {
	var n homeNote
	known, err := d.notes.read("home", &n)
	if err != nil {
		return err
	}
	if known && !made && n.DiskFormat != d.Description().DiskFormat {
		return fmt.Errorf("%s was written in disk format %d (%s), the module writes %d; use the module it was written with, or another root: %w",
			d.cfg.Home, n.DiskFormat, n.Driver, d.Description().DiskFormat, graphdriver.ErrIncompatibleFS)
	}
	if d.cfg.ReadOnly {
		return nil
	}
	if known && !made {
		if d.cfg.Unprivileged && !n.Unprivileged {
			n.Unprivileged = true
			return d.notes.keep("home", n)
		}
		return nil
	}
	if err := sweepProbes(d.cfg.Home); err != nil {
		return err
	}
	if d.Description().Has(abi.MethodSetup) {
		if _, err := d.call(ctx, calls.Params{Method: abi.MethodSetup, Args: d.settings(facts(ctx, d.cfg.Home, true))}); err != nil {
			return err
		}
	}
	// What could not be removed of trying things out fails the setup, so that
	// it is all done again.
	if err := sweepProbes(d.cfg.Home); err != nil {
		return err
	}
	return d.notes.keep("home", homeNote{Driver: d.Description().Name + " " + d.Description().Version, DiskFormat: d.Description().DiskFormat, Unprivileged: d.cfg.Unprivileged})
}

// configure begins the first call of each instance.
func (d *Driver) configure(ctx context.Context, l *loaded) (calls.Session, func(int32, error) error, error) {
	c := calls.New(ctx, d.env, calls.Params{Method: abi.MethodConfigure, Args: d.settings(facts(ctx, d.cfg.Home, false))})
	return c, func(code int32, err error) error {
		if err == nil && !l.desc.Has(abi.MethodConfigure) {
			code = 0 // exported by its SDK, and not there
		}
		_, err = c.Finish(code, err)
		return err
	}, nil
}

// settings are the arguments of setup and configure.
func (d *Driver) settings(facts []graphdriver.Pair) []byte {
	args := abi.AppendFieldU64(nil, abi.FieldFeature, abi.FeatureAttrDigest)
	for _, o := range d.cfg.Options {
		args = abi.AppendFieldPair(args, abi.FieldOption, o.Key, o.Value)
	}
	for _, f := range facts {
		args = abi.AppendFieldPair(args, abi.FieldFact, f.Key, f.Value)
	}
	return args
}

// named says which driver an error is of, unless it says so itself.
func (d *Driver) named(err error) error {
	prefix := "driver " + d.cfg.Name + ": "
	if strings.HasPrefix(err.Error(), prefix) {
		return err
	}
	return fmt.Errorf("%s%w", prefix, err)
}

func (d *Driver) log(level uint32, text string) {
	log := d.cfg.Log.With(zap.String("driver", d.cfg.Name))
	switch level {
	case abi.LogDebug:
		log.Debug(text)
	case abi.LogInfo:
		log.Info(text)
	case abi.LogWarn:
		log.Warn(text)
	default:
		log.Error(text)
	}
}

// call runs one method.
func (d *Driver) call(ctx context.Context, p calls.Params) (*calls.Outcome, error) {
	if d.cfg.ReadOnly && p.Method.Mutates() && p.Method != abi.MethodGet && p.Method != abi.MethodPut {
		return nil, fmt.Errorf("driver %s is open for reading only, %s writes: %w", d.cfg.Name, p.Method, graphdriver.ErrDenied)
	}
	end, err := d.spend(ctx, p.Method)
	if err != nil {
		return nil, d.named(err)
	}
	defer end()
	return d.run(calls.New(ctx, d.env, p), p)
}

// run carries a call out and logs what it took.
func (d *Driver) run(c *calls.Call, p calls.Params) (*calls.Outcome, error) {
	start := time.Now()
	l := d.modules.take()
	out, err := c.Finish(l.module.Run(c.Context(), p.Method.Export(), c))
	if cerr := d.modules.release(c.Context(), l); cerr != nil {
		d.cfg.Log.Warn("a module that was replaced", zap.String("driver", d.cfg.Name), zap.Error(cerr))
	}
	if log := d.cfg.Log.Check(zap.DebugLevel, "driver call"); log != nil {
		log.Write(trace(d.cfg.Name, p, c, out, err, time.Since(start))...)
	}
	if err != nil {
		return nil, fmt.Errorf("driver %s: %w", d.cfg.Name, err)
	}
	return out, nil
}

func trace(name string, p calls.Params, c *calls.Call, out *calls.Outcome, err error, took time.Duration) []zap.Field {
	fields := []zap.Field{
		zap.String("driver", name), zap.Stringer("method", p.Method), zap.String("layer", p.ID),
		zap.Duration("took", took), zap.Int64("crossings", c.Crossings()),
	}
	if err != nil {
		return append(fields, zap.Error(err))
	}
	if a := out.Applied; a.Entries > 0 {
		fields = append(fields, zap.Int64("entries", a.Entries), zap.Int64("bytes", a.Size), zap.Int64("recorded", a.Recorded),
			zap.Int64("ownersLeft", a.LeftOwners), zap.Int64("nodesLeft", a.LeftNodes), zap.Int64("xattrsLeft", a.LeftXattrs))
	}
	return fields
}

// Description is what the module says of itself.
func (d *Driver) Description() *Description {
	d.modules.mu.Lock()
	defer d.modules.mu.Unlock()
	return d.modules.current.desc
}

// Home is the driver's directory.
func (d *Driver) Home() string { return d.cfg.Home }

// String implements graphdriver.ProtoDriver.
func (d *Driver) String() string { return d.cfg.Name }

// Capabilities implements graphdriver.CapabilityDriver.
func (d *Driver) Capabilities() graphdriver.Capabilities { return d.Description().Capabilities }

// Close releases the module and the home. Calls in flight fail.
func (d *Driver) Close(ctx context.Context) error {
	d.shut(errClosed)
	err := errors.Join(d.putAll(ctx), d.modules.close(ctx))
	if d.home != nil {
		err = errors.Join(err, d.closeBudget(), d.home.Close())
	}
	return err
}

// abs is a path of the home as the machine sees it.
func (d *Driver) abs(p string) string { return filepath.Join(d.cfg.Home, p) }
