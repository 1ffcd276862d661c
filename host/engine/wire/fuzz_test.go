package wire

import (
	"bytes"
	"testing"
)

// FuzzRequest: whatever a child sends as a head is refused, or is what its
// parts add up to, with nothing beyond its bounds.
func FuzzRequest(f *testing.F) {
	for _, r := range []Request{
		{Op: 0, Cap: 100}, {Op: 7, W: [2]uint64{1}, B: [3][]byte{[]byte("path")}}, {Op: OpOpenFile, B: [3][]byte{[]byte("a")}},
		{Op: OpFilePread, Cap: 4096}, {Op: OpGrow, W: [2]uint64{1 << 40}}, {Op: OpDone, U: [3]uint32{1, 2, 1}, B: [3][]byte{[]byte("why")}},
	} {
		var head [RequestSize]byte
		r.Head(&head)
		f.Add(append(head[:], bytes.Join(r.B[:], nil)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < RequestSize {
			return
		}
		const most = 1 << 20
		head := (*[RequestSize]byte)(data)
		var r Request
		rest, err := ParseRequest(head, most, &r)
		if err != nil || rest > len(data)-RequestSize {
			return
		}
		if rest < 0 || rest > 3*most || r.Cap > most {
			t.Fatalf("%d bytes, an answer of %d", rest, r.Cap)
		}
		r.Bring(head, data[RequestSize:RequestSize+rest])
		var again [RequestSize]byte
		r.Head(&again)
		if again != *head {
			t.Errorf("% x became % x", *head, again)
		}
		if got := bytes.Join(r.B[:], nil); !bytes.Equal(got, data[RequestSize:RequestSize+rest]) {
			t.Errorf("it brought %q", got)
		}
	})
}
