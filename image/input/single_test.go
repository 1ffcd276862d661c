package input_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/bulkhead/bulkhead/image/input"
)

func TestOneFileIsReadDecompressedFromAFileOrAPipe(t *testing.T) {
	text := bytes.Repeat([]byte("text "), 100000)
	for name, data := range map[string][]byte{"plain": text, "gzip": zipped(t, text), "nothing": nil} {
		want := text
		if data == nil {
			want = nil
		}
		file, err := input.OpenSingle(context.Background(), stored(t, data), input.Options{})
		if err != nil {
			t.Fatal(err)
		}
		pr, pw, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			pw.Write(data)
			pw.Close()
		}()
		pipe, err := input.ReadSingle(context.Background(), pr, input.Options{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		for from, r := range map[string]io.ReadCloser{"file": file, "pipe": pipe} {
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s from a %s: %d bytes, %v", name, from, len(got), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOneFileFromAPipeIsBounded(t *testing.T) {
	r := io.NopCloser(bytes.NewReader(zipped(t, make([]byte, 1<<20))))
	if _, err := input.ReadSingle(context.Background(), r, input.Options{TempDir: t.TempDir(), Limits: input.Limits{Spool: 1000}}); !errors.Is(err, input.ErrRefused) {
		t.Errorf("%v", err)
	}
	if _, err := input.OpenSingle(context.Background(), stored(t, []byte{0x1f, 0x8b, 8, 0}), input.Options{}); !errors.Is(err, input.ErrRefused) {
		t.Errorf("%v", err)
	}
}
