// Command tour is what `make run` runs: it stores a real image through a
// sandboxed driver, verifies it, exports it, compares every byte with what
// came in, and shows what a hostile driver gets. It uses the program as a
// person would, and cleans up behind itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	bin := flag.String("bin", "bin/bulkhead", "the program to run")
	image := flag.String("image", "", "an archive or OCI directory to use in place of a made one")
	keep := flag.Bool("keep", false, "leave the work directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *image, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, image string, keep bool) (err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bulkhead-tour-")
	if err != nil {
		return err
	}
	if keep {
		fmt.Println("work directory:", work)
	} else {
		defer os.RemoveAll(work)
	}
	t := &tour{ctx: ctx, bin: bin, work: work, root: filepath.Join(work, "root")}
	if os.Geteuid() == 0 {
		say("Running as root: owners and devices are created as the archive has them.")
	} else {
		say("Running unprivileged: owners and devices that this user may not create are recorded,")
		say("so that what is compared and exported is the same as root's.")
	}
	if image == "" {
		if image, err = t.make(); err != nil {
			return fmt.Errorf("make an image: %w", err)
		}
	}
	in, err := openArchive(image)
	if err != nil {
		return fmt.Errorf("%s: %w", image, err)
	}
	for _, step := range []func() error{
		func() error { return t.load(image) },
		t.list,
		t.verify,
		func() error { return t.save(in, "oci-archive") },
		func() error { return t.save(in, "docker-archive") },
		func() error { return t.baseline(in) },
		t.sandbox,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	t.summary()
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
