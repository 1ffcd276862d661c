// Package e2e runs bin/bulkhead as a person would, beside the programs that
// its archives and stores must get along with: Debian's dockerd, skopeo and
// umoci. Its tests carry the build tag e2e and are run by `make e2e`.
package e2e
