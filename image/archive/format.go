package archive

import "fmt"

// Format is what Save writes.
type Format string

const (
	// DockerArchive is what `docker save` writes since Docker 25: a tar with
	// manifest.json and repositories, whose files are an OCI layout at the
	// same time. Every Docker since 1.10, podman and skopeo read it.
	DockerArchive Format = "docker-archive"
	// OCIArchive is an OCI layout in a tar.
	OCIArchive Format = "oci-archive"
	// OCIDir is an OCI layout in a directory.
	OCIDir Format = "oci-dir"
)

// ParseFormat reads a format's name.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case DockerArchive, OCIArchive, OCIDir:
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q: one of %s, %s, %s", s, DockerArchive, OCIArchive, OCIDir)
}
