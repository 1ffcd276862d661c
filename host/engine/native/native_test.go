package native

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

var _ engine.Module = (*Module)(nil)

type driver struct {
	guest.Driver
	put func(c *guest.Call) error
}

func (d driver) Put(c *guest.Call) error       { return d.put(c) }
func (d driver) Configure(c *guest.Call) error { return c.Fail(abi.OK, "configured", "") }

// session answers with files in memory.
type session struct {
	calls.Session
	files map[string][]byte
	said  []string
}

func (s *session) CallArgs([]byte) int32 { return 0 }

func (s *session) Fail(_ int32, subject, _ []byte) int32 {
	s.said = append(s.said, string(subject))
	return 0
}

func (s *session) OpenFile(_ calls.Mount, path string, flag int, _ uint32) (calls.File, syscall.Errno) {
	data, ok := s.files[path]
	if flag&syscall.O_CREAT == 0 && !ok {
		return nil, syscall.ENOENT
	}
	if flag&syscall.O_TRUNC != 0 {
		data = nil
	}
	return &file{s: s, path: path, data: data, write: flag&syscall.O_WRONLY != 0}, 0
}

func (s *session) RenameFile(_ calls.Mount, from, to string) syscall.Errno {
	s.files[to] = s.files[from]
	delete(s.files, from)
	return 0
}

type file struct {
	calls.File
	s     *session
	path  string
	data  []byte
	write bool
}

func (f *file) Read(p []byte) (int, syscall.Errno) {
	n := copy(p, f.data)
	f.data = f.data[n:]
	return n, 0
}

// Write takes three bytes a time.
func (f *file) Write(p []byte) (int, syscall.Errno) {
	p = p[:min(3, len(p))]
	f.data = append(f.data, p...)
	return len(p), 0
}

func (f *file) Close() syscall.Errno {
	if f.write {
		f.s.files[f.path] = f.data
	}
	return 0
}

func TestADriverRunsAsAModule(t *testing.T) {
	ctx := context.Background()
	var conf session
	asked := 0
	m := New(driver{put: func(c *guest.Call) error {
		if _, err := c.ReadFile("gone"); err != abi.NotFound {
			t.Errorf("%v", err)
		}
		if err := c.WriteFile("small", []byte("content")); err != nil {
			return err
		}
		b, err := c.ReadFile("small")
		if string(b) != "content" {
			t.Errorf("%q", b)
		}
		return err
	}}, engine.Options{Configure: func(context.Context) (calls.Session, func(int32, error) error, error) {
		asked++
		return &conf, nil, nil
	}})
	for range 2 {
		s := &session{files: map[string][]byte{}}
		if code, err := m.Run(ctx, abi.ExportPut, s); code != 0 || err != nil {
			t.Fatal(code, err)
		}
		if len(s.files) != 1 {
			t.Errorf("%v", s.files)
		}
	}
	if asked != 1 || len(conf.said) != 1 {
		t.Errorf("configured %d times: %q", asked, conf.said)
	}
	if code, err := m.RunOnce(ctx, abi.ExportDiff, &session{}); code != int32(abi.NotSupported) || err != nil || asked != 1 {
		t.Error(code, err, asked)
	}
	if !m.Has(abi.ExportDiff) || m.Has("driver_fly") {
		t.Error("exports differ from the SDK's")
	}
}

func TestPanicsAndContextsEndCalls(t *testing.T) {
	m := New(driver{put: func(*guest.Call) error { panic("boom") }}, engine.Options{})
	_, err := m.Run(context.Background(), abi.ExportPut, &session{})
	var f *engine.Failure
	if !errors.As(err, &f) || f.Cause != engine.CauseTrap || f.Detail != "boom" {
		t.Errorf("%v", err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	if _, err := m.Run(ctx, abi.ExportPut, &session{}); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	if err := m.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := m.Run(context.Background(), abi.ExportPut, &session{}); !errors.Is(err, errClosed) {
		t.Errorf("%v", err)
	}
}
