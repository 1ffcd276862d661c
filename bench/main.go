// Command bench measures the drivers that run in wasm against the same code
// without it, against moby's packages and against tar. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"github.com/moby/sys/reexec"

	"github.com/bulkhead/bulkhead/host/engine/child"
)

type options struct {
	Dir, Image, Bin string
	Rounds          int
	JSON            bool
	Variants        string
	Profile         string
	Names           []string
}

func main() {
	child.Main()       // if this process is one that a driver runs in
	if reexec.Init() { // moby's overlay2 starts itself for mounts of many layers
		return
	}
	var o options
	flag.StringVar(&o.Dir, "dir", os.TempDir(), "where file systems are made")
	flag.StringVar(&o.Image, "image", filepath.Join("..", "..", "shared", "images", "debian-slim.oci.tar"), "OCI archive whose first layer is the root filesystem")
	flag.StringVar(&o.Bin, "bin", filepath.Join("..", "bin", "bulkhead"), "the program, for whole loads")
	flag.IntVar(&o.Rounds, "rounds", 5, "runs of each variant")
	flag.BoolVar(&o.JSON, "json", false, "print figures as JSON")
	flag.StringVar(&o.Variants, "variants", "", "regular expression: only these variants")
	flag.StringVar(&o.Profile, "cpuprofile", "", "write a CPU profile of each run to this file, with the measurement and a number added")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: go run . [flags] [name...]\nnames, or parts of them: {apply,changes,diff,load}-{rootfs,small}, {changes,diff}-overlay-{rootfs,small,image}, diff-overlay-layer-{rootfs,small}, mount-{4,125}, mount-rw-{4,125}, load-overlay-{image,40k}, squash-{none,first}\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.Names = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// Not on the main goroutine: one of moby's packages ties that to the first
	// thread, and whatever it waits for would cost a switch of threads.
	done := make(chan error)
	go func() {
		if j, ok := os.LookupEnv(jobEnv); ok {
			done <- serve(ctx, j)
			return
		}
		done <- run(ctx, o)
	}()
	err := <-done
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	only, err := regexp.Compile(o.Variants)
	if err != nil {
		return err
	}
	if o.Rounds < 1 {
		return errors.New("-rounds must be at least 1")
	}
	tmp, err := os.MkdirTemp(o.Dir, "bulkhead-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	d, err := newDrivers(ctx, tmp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close(context.WithoutCancel(ctx))) }()
	fs, err := probe(ctx, o.Dir)
	if err != nil {
		return err
	}
	all, err := wanted(d, o, tmp)
	if err != nil {
		return err
	}
	if !o.JSON {
		fmt.Printf("%s on %d CPUs, %s; each run on a fresh %s; %d rounds\n", runtime.Version(), runtime.NumCPU(), kernel(), fs.kind, o.Rounds)
		if fs.why != "" {
			fmt.Println(fs.why)
		}
	}
	r := &runner{fs: fs, rounds: o.Rounds, only: only, profile: o.Profile, log: os.Stderr}
	r.child = func(ctx context.Context, j job) (cost, error) {
		j.Options, j.Temp = o, tmp
		return start(ctx, j)
	}
	var results []*result
	for _, ms := range all {
		res, err := r.measure(ctx, &ms)
		if err != nil {
			return err
		}
		results = append(results, res)
		if !o.JSON {
			if err := res.print(os.Stdout); err != nil {
				return err
			}
		}
	}
	if o.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"fileSystem": fs.kind, "go": runtime.Version(), "kernel": kernel(), "cpus": runtime.NumCPU(), "measurements": results})
	}
	return nil
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "an unknown kernel"
	}
	return "Linux " + strings.TrimSpace(string(b))
}
