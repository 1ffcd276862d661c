package host_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
)

// A damaged store is opened all the same: what is whole of it is sealed.
func TestALayerThatCannotBeSealedKeepsNoOtherUnsealed(t *testing.T) {
	s := besieged(t)
	ctx := context.Background()
	if err := s.d.Seal(ctx, "..", "peer"); err == nil {
		t.Errorf("what is no layer was sealed")
	}
	for id, sealed := range map[string]bool{"peer": true, "spare": false} {
		_, err := s.d.ApplyDiff(ctx, id, "", bytes.NewReader(graphtest.Archive(t, graphtest.File("more", "x"))))
		if refused := err != nil && strings.Contains(err.Error(), "is committed"); refused != sealed {
			t.Errorf("layer %s is applied to: %v", id, err)
		}
	}
}
