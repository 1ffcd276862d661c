package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/child"
)

// version is set by the linker.
var version = "unknown"

// gcPercent is GOGC unless that is set. A command lives for a second and holds
// little: collecting less often takes a twentieth off the CPU time of a load,
// for some 15 MB more.
const gcPercent = 400

func main() {
	child.Main() // if this process is one that a driver runs in
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], environment{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// environment is what a command reads and writes.
type environment struct {
	in  io.ReadCloser
	out io.Writer
	err io.Writer
	// runtime compiles the drivers of several commands; nil has each command
	// make one, by its configuration.
	runtime *engine.Runtime
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, s environment) int {
	out := &checked{Writer: s.out}
	s.out = out
	a := &app{environment: s}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.err // of a write that nobody looked at
	}
	report(ctx, s.err, err)
	return exitCode(err)
}

// checked remembers the first error of a writer, so that no command has to
// look at each line that it prints.
type checked struct {
	io.Writer
	err error
}

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}
