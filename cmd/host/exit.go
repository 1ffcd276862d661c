package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/trust"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/layer"

	"github.com/bulkhead/bulkhead/cmd/host/render"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitCorrupt = 3 // stored data, or a module, is not what it should be
)

// usageError is a command line that cannot be understood.
type usageError struct {
	err  error
	help string // the command whose --help tells more
}

func (e *usageError) Error() string { return fmt.Sprintf("%v (see '%s --help')", e.err, e.help) }

func (e *usageError) Unwrap() error { return e.err }

func usage(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err: err, help: cmd.CommandPath()}
}

func exitCode(err error) int {
	var bad *usageError
	var format *render.FormatError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &bad), errors.As(err, &format):
		return exitUsage
	}
	for _, corrupt := range []error{layer.ErrCorrupt, image.ErrCorrupt, refs.ErrCorrupt, graphdriver.ErrCorrupt, trust.ErrUntrusted, trust.ErrDigest} {
		if errors.Is(err, corrupt) {
			return exitCorrupt
		}
	}
	return exitFailed
}

// report writes an error, one line for each thing that went wrong.
func report(ctx context.Context, w io.Writer, err error) {
	if err == nil {
		return
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(w, "bulkhead: interrupted; nothing was left half done")
		return
	}
	seen := map[string]bool{}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.TrimSpace(strings.Map(shown, line)); line != "" && !seen[line] {
			seen[line] = true
			fmt.Fprintln(w, "bulkhead: "+line)
		}
	}
}

// shown is what a person sees of a letter: archives, registries and stores have
// their say in errors, and a terminal would do what some letters ask for.
func shown(r rune) rune {
	if unicode.IsControl(r) && r != '\t' {
		return '?'
	}
	return r
}
