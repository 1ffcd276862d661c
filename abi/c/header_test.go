// Package c_test checks the C header against the Go package, and a driver
// written in C against the host.
package c_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
)

func TestTheHeaderSpellsTheContract(t *testing.T) {
	b, err := os.ReadFile("graphdriver_v1.h")
	if err != nil {
		t.Fatal(err)
	}
	header := string(b)
	names, err := os.ReadFile("../names.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`Import\w+ += "(\w+)"`).FindAllStringSubmatch(string(names), -1) {
		if !strings.Contains(header, "GD_IMPORT("+m[1]+") ") {
			t.Errorf("the header lacks %s", m[1])
		}
	}
	var enum []string
	for m := abi.Method(0); m < abi.MethodCount; m++ {
		enum = append(enum, "GD_M_"+strings.ToUpper(m.String()))
	}
	flat := strings.Join(strings.Fields(header), " ")
	if !strings.Contains(flat, strings.Join(enum, ", ")+", }") {
		t.Error("the methods differ")
	}
	for name, want := range map[string]int{
		"GD_IO": int(abi.IO), "GD_NO_SPACE": int(abi.NoSpace), "GD_FIELD_SPEC": int(abi.FieldSpec),
		"GD_FIELD_GRANT": int(abi.FieldGrant), "GD_REC_CHANGE": int(abi.RecChange), "GD_REC_NAME": int(abi.RecName),
		"GD_CHANGE_DELETED": int(abi.ChangeDeleted), "GD_ACT_SKIP": int(abi.ActSkip), "GD_EMIT_OWN_CONTENT": int(abi.EmitOwnContent), "GD_EMIT_LAYER": int(abi.EmitLayer),
	} {
		m := regexp.MustCompile(name + ` = (-?\w+)`).FindStringSubmatch(header)
		if m == nil {
			t.Errorf("no %s", name)
		} else if n, err := strconv.ParseInt(m[1], 0, 32); err != nil || int(n) != want {
			t.Errorf("%s is %s, want %d", name, m[1], want)
		}
	}
}

func TestADriverInC(t *testing.T) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("clang is not on PATH: the driver in testdata/proto.c was not compiled")
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "proto.wasm")
	cmd := exec.Command(clang, "--target=wasm32", "-mbulk-memory", "-nostdlib", "-O2", "-Wall", "-Wextra", "-Werror",
		"-Wl,--no-entry", "-o", out, "testdata/proto.c")
	if msg, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(msg), "wasm-ld") && strings.Contains(string(msg), "unable to execute") {
			t.Skip("clang is here, wasm-ld is not")
		}
		t.Fatalf("%v\n%s", err, msg)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}

	ctx := context.Background()
	rt, err := engine.New(ctx, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(ctx)
	home := filepath.Join(dir, "proto")
	d, err := host.Open(ctx, host.Config{
		Name: "proto", Home: home, State: filepath.Join(dir, "state"),
		Isolation: host.Thread, Unprivileged: os.Geteuid() != 0,
	}, host.Wasm(rt, "proto", wasm, engine.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(ctx)

	none := graphdriver.CreateOptions{}
	if err := d.Create(ctx, "a", "", none); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "a", "file"), []byte("content"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := d.CreateReadWrite(ctx, "b", "a", none); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(ctx, "b", "a", none); !errors.Is(err, graphdriver.ErrExists) {
		t.Errorf("%v", err)
	}
	if err := d.Create(ctx, "c", "gone", none); !errors.Is(err, graphdriver.ErrNotFound) {
		t.Errorf("%v", err)
	}
	got, err := d.Get(ctx, "b", "")
	if err != nil || got != filepath.Join(home, "b") {
		t.Fatalf("%q %v", got, err)
	}
	if b, err := os.ReadFile(filepath.Join(got, "file")); string(b) != "content" {
		t.Errorf("%q %v", b, err)
	}
	for id, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if ok, err := d.Exists(ctx, id); ok != want || err != nil {
			t.Errorf("%s: %v %v", id, ok, err)
		}
	}
	if _, err := d.GetMetadata(ctx, "c"); !errors.Is(err, graphdriver.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := errors.Join(d.Put(ctx, "b"), d.Remove(ctx, "a"), d.Remove(ctx, "a"), d.Cleanup(ctx)); err != nil {
		t.Error(err)
	}
}
