package layer

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestADigestIsValidIfItIsASHA256SumInLowerCase(t *testing.T) {
	good := digest.FromString("x").Encoded()
	for at := range len(good) {
		for c := range 256 {
			hex := good[:at] + string([]byte{byte(c)}) + good[at+1:]
			if got, want := ValidDigest(digest.Digest("sha256:"+hex)), strings.IndexByte("0123456789abcdef", byte(c)) >= 0; got != want {
				t.Errorf("%q at %d: %v", byte(c), at, got)
			}
		}
	}
	for _, bad := range []string{"", "sha256:", good, "sha256:" + good[1:], "sha256:" + good + "0", "sha512:" + good, "SHA256:" + good} {
		if ValidDigest(digest.Digest(bad)) {
			t.Errorf("%q is accepted", bad)
		}
	}
}
