package archive

import (
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// platformLetters are those of which a platform's words are made.
const platformLetters = "abcdefghijklmnopqrstuvwxyz0123456789_-."

// ParsePlatform reads os/architecture[/variant].
func ParsePlatform(s string) (*ocispec.Platform, error) {
	parts := strings.Split(s, "/")
	bad := len(parts) < 2 || len(parts) > 3
	for _, part := range parts {
		bad = bad || part == "" || strings.Trim(strings.ToLower(part), platformLetters) != ""
	}
	if bad {
		return nil, fmt.Errorf("platform %.100q: use OS/ARCHITECTURE[/VARIANT], as linux/arm64 or linux/arm/v7", s)
	}
	p := &ocispec.Platform{OS: strings.ToLower(parts[0]), Architecture: architecture(strings.ToLower(parts[1]))}
	if len(parts) == 3 {
		p.Variant = strings.ToLower(parts[2])
	}
	return p, nil
}

// architecture is Go's name of what uname and Debian call otherwise.
func architecture(name string) string {
	switch name {
	case "x86_64", "x86-64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386":
		return "386"
	case "armhf":
		return "arm"
	}
	return name
}

// FormatPlatform is how a platform is written. One that an image says may be
// anything, and is quoted then, and cut.
func FormatPlatform(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if len(s) > 80 || strings.Trim(strings.ToLower(s), platformLetters+"/") != "" {
		return fmt.Sprintf("%.80q", s)
	}
	return s
}
