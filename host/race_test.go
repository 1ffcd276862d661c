//go:build race

package host_test

// underRace: the race detector makes everything several times slower.
const underRace = true
