package child

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// said encodes a request, changed by whoever lies.
func said(r wire.Request, change func(head []byte)) []byte {
	var head [wire.RequestSize]byte
	r.Head(&head)
	if change != nil {
		change(head[:])
	}
	out := head[:]
	for _, b := range r.B {
		out = append(out, b...)
	}
	return out
}

// lies are what a child of ours does not say, and what is told of each.
func lies() map[string][]byte {
	open := wire.Request{Op: wire.OpOpenFile, B: [3][]byte{[]byte("a")}}
	return map[string][]byte{
		"unknown kind":      said(wire.Request{Op: 0x999}, nil),
		"its parts":         said(open, func(head []byte) { head[0]++ }),
		"in place 0":        said(open, func(head []byte) { copy(head[44:], "\xff\xff\xff\xff"); copy(head, "\x37\x00\x00\x00") }),
		"in place 2":        said(wire.Request{Op: wire.OpOpenFile, B: [3][]byte{nil, nil, []byte("x")}}, nil),
		"for 4294967295":    said(wire.Request{Op: wire.OpFileRead, Cap: 1<<32 - 1}, nil),
		"for 1 bytes":       said(wire.Request{Op: wire.OpFileSync, Cap: 1}, nil),
		"mount that":        said(wire.Request{Op: wire.OpOpenFile, U: [3]uint32{7}, B: open.B}, nil),
		"spoke twice":       append(said(wire.Request{Op: wire.OpFileSync}, nil), 'x'),
		"reason that there": said(wire.Request{Op: wire.OpDone, U: [3]uint32{0, 99}}, nil),
		"during a call":     said(wire.Request{Op: wire.OpReady}, nil),
		"its parts ":        said(wire.Request{Op: wire.OpFileSync}, func(head []byte) { head[40] = 1 }),
	}
}

// lie says it on the child's socket when it is called, and waits to be ended.
func lie(what string) {
	if wire.Socket(socketFd).Read(make([]byte, wire.AnswerSize)) != nil {
		return
	}
	if what == "closed" {
		unix.Close(socketFd)
	} else if err := wire.Socket(socketFd).Write(lies()[what]); err != nil {
		return
	}
	for {
		time.Sleep(time.Hour)
	}
}

func TestWhatNoChildSaysEndsItAndItsCallOnly(t *testing.T) {
	rt := children(t)
	for what := range lies() {
		err := in(t, rt, afterLoad, "lie "+what)
		var f *engine.Failure
		if !errors.As(err, &f) || f.Cause != engine.CauseProtocol || !strings.Contains(f.Detail, strings.TrimSpace(what)) || f.Export != abi.ExportExists {
			t.Errorf("%s: %v", what, err)
		}
	}
	var f *engine.Failure
	if err := in(t, rt, afterLoad, "lie closed"); !errors.As(err, &f) || f.Cause != engine.CauseEnded {
		t.Errorf("a child that says nothing any more: %v", err)
	}
	if left := offspring(t); len(left) != 0 {
		t.Errorf("children are left: %v", left)
	}
}

// An answer that the host has trouble to give for its size costs it nothing
// until there is something to say.
func TestALargeAnswerThatIsAskedForIsNotMadeRoomFor(t *testing.T) {
	ctx := context.Background()
	m, err := children(t).Compile(ctx, afterLoad+": ask", driver(), engine.Limits{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	if code, err := m.Run(ctx, abi.ExportExists, aCall(t)); err != nil || code != 5 {
		t.Errorf("%d %v", code, err)
	}
}

// ask asks for the arguments of the call, which are none, with room for all
// the memory there is, a thousand times.
func ask(g *guest) {
	s := &session{g: g}
	var head [wire.AnswerSize]byte
	if g.socket.Read(head[:]) != nil { // the call
		return
	}
	for range 1000 {
		s.r = wire.Request{Op: 0, Cap: 256 << 20}
		s.r.Head(&s.head)
		if g.socket.Write(s.head[:]) != nil || g.socket.Read(head[:]) != nil || wire.ParseAnswer(&head).Ret != 0 {
			return
		}
	}
	g.say(wire.Request{Op: wire.OpDone, U: [3]uint32{5}})
}
