package child

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/lockdown"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// guest is the child's whole state.
type guest struct {
	socket wire.Socket
	solo   *engine.Solo
	// attempt is for tests: what the process natively tries at a stage.
	attempt func(stage, name string) error
}

// The stages at which a test may try something.
const (
	beforeLoad = "before its module is read"
	afterLoad  = "before its module runs"
)

// room is what the process needs beside a module's memory, compiling or not.
const (
	roomToRun     = 1 << 30
	roomToCompile = 3 << 30
)

// files are more than are ever open: three, the socket, the cache, a file of
// it, and what the runtime has.
const files = 16

// codeSize bounds the native code of one module.
const codeSize = 1 << 30

func (g *guest) run() int {
	load, err := g.prepare()
	if err != nil {
		g.say(wire.Request{Op: wire.OpLocks, B: [3][]byte{[]byte(err.Error())}})
		return exitLocks
	}
	if !g.try(beforeLoad, load.Name) {
		return exitLoad
	}
	ctx := context.Background()
	if err := g.load(ctx, load); err != nil {
		r := wire.Request{Op: wire.OpRefused, B: [3][]byte{[]byte(cut(err.Error()))}}
		var limit *calls.LimitError
		if errors.As(err, &limit) {
			r.U[0] = 1
		}
		g.say(r)
		return exitLoad
	}
	if !load.Compile {
		unix.Close(cacheFd) // what was to be read is read
		if err := lockdown.Run(); err != nil {
			g.say(wire.Request{Op: wire.OpLocks, B: [3][]byte{[]byte(err.Error())}})
			return exitLocks
		}
	}
	if err := g.ready(); err != nil || load.Compile {
		return exitDone
	}
	if !g.try(afterLoad, load.Name) {
		return exitLoad
	}
	return g.serve(ctx)
}

// try lets a test try something, and reports whether to go on.
func (g *guest) try(stage, name string) bool {
	if g.attempt == nil {
		return true
	}
	err := g.attempt(stage, name)
	if err != nil {
		g.say(wire.Request{Op: wire.OpRefused, B: [3][]byte{[]byte(err.Error())}})
	}
	return err == nil
}

// prepare locks the process and reads what it is to load. The order comes
// first, since what is bounded depends on it; the module's bytes are only
// looked at once the locks hold.
func (g *guest) prepare() (wire.Load, error) {
	var head [wire.AnswerSize]byte
	if err := g.socket.Read(head[:]); err != nil {
		return wire.Load{}, err
	}
	body := make([]byte, wire.ParseAnswer(&head).Len)
	if err := g.socket.Read(body); err != nil {
		return wire.Load{}, err
	}
	load, ok := wire.ParseLoad(body)
	if !ok {
		return load, fmt.Errorf("an order of %d bytes cannot be read", len(body))
	}
	limits := lockdown.Limits{Files: files, Memory: uint64(load.MemoryPages)<<16 + roomToRun}
	if load.Compile {
		limits.Memory += roomToCompile
		limits.FileSize = codeSize
	}
	if underRace { // whose own memory is many times what it watches
		limits.Memory = 0
	}
	if err := lockdown.Resources(limits); err != nil {
		return load, err
	}
	time.AfterFunc(time.Hour, func() {}).Stop() // the runtime opens what it needs for timers
	return load, lockdown.Compile(load.Compile)
}

// load compiles the module, or takes its code from the cache.
func (g *guest) load(ctx context.Context, load wire.Load) error {
	rt, err := engine.New(ctx, engine.Config{CacheDir: "/proc/self/fd/" + strconv.Itoa(cacheFd), Given: true})
	if err != nil {
		return err
	}
	g.solo, err = engine.NewSolo(ctx, rt, load.Name, load.Wasm, engine.Limits{
		MemoryPages: load.MemoryPages, HighWater: load.HighWater, OpenFiles: int(load.OpenFiles),
	}, g.grow)
	return err
}

// ready says that the module is loaded, and what it has.
func (g *guest) ready() error {
	var has uint64
	for _, m := range g.solo.Exports() {
		has |= 1 << m
	}
	_, err := g.say(wire.Request{Op: wire.OpReady, W: [2]uint64{has}})
	return err
}

// serve runs calls until the host has gone.
func (g *guest) serve(ctx context.Context) int {
	s := &session{g: g}
	var head [wire.AnswerSize]byte
	for {
		if err := g.socket.Read(head[:]); err != nil {
			return exitDone
		}
		a := wire.ParseAnswer(&head)
		method, once := a.Ret&^wire.Once, a.Ret&wire.Once != 0
		if a.Len != 0 || method < 0 || method >= int64(abi.MethodCount) {
			return exitWire
		}
		code, reusable, err := g.solo.Call(ctx, abi.Method(method).Export(), s, once)
		if _, err := g.say(done(code, reusable, err)); err != nil {
			return exitDone
		}
	}
}

// say sends a request, and reads no answer.
func (g *guest) say(r wire.Request) (uint64, error) {
	var head [wire.RequestSize]byte
	size := r.Head(&head)
	return size, g.socket.Write(head[:], r.B[0], r.B[1], r.B[2])
}

// cut bounds what is said to people.
func cut(s string) string { return s[:min(len(s), wire.MaxDetail)] }
