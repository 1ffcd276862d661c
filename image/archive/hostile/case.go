package hostile

import (
	"fmt"
	"io"
	"slices"
)

// Verdict is what has to become of an archive.
type Verdict string

const (
	// Stored: the image is loaded, and comes out byte for byte.
	Stored Verdict = "stored"
	// Refused: nothing of the archive stays, and one line says why.
	Refused Verdict = "refused"
)

// Case is one hostile archive.
type Case struct {
	// Name says what the archive has; it is unique.
	Name string
	// CVE lists where the attack is known from, "" where it has no number.
	CVE string
	// What says in one line what it tries.
	What    string
	Verdict Verdict
	// Overlay is the verdict of overlay2 where it is another: a layer is
	// applied there without looking at those beneath, and in overlay's form.
	Overlay Verdict
	// Says is part of the line that refuses it.
	Says string
	// Lands is where in the layer's tree a file with Payload has to lie, for
	// attacks that mean one outside of it.
	Lands string
	// Heavy archives are hundreds of megabytes when they are unpacked.
	Heavy bool

	write func(w io.Writer, outside string) error
}

// Payload is the content of the files that ought to land elsewhere.
const Payload = "PWNED\n"

// On is the verdict with a driver.
func (c Case) On(driver string) Verdict {
	if driver == "overlay2" && c.Overlay != "" {
		return c.Overlay
	}
	return c.Verdict
}

// Write writes the archive. outside is the absolute path of the directory
// that it attacks: it holds a file "secret", a directory "dir" with a file
// "kept", and a named pipe "pipe" that nobody writes to.
func (c Case) Write(w io.Writer, outside string) error {
	if err := c.write(w, outside); err != nil {
		return fmt.Errorf("hostile archive %q: %w", c.Name, err)
	}
	return nil
}

// All is the whole corpus, by groups.
func All() []Group {
	return []Group{
		{"Links", links()},
		{"Whiteouts", whiteouts()},
		{"Names", names()},
		{"Entries that meet", meetings()},
		{"Owners, modes, devices, attributes", metadata()},
		{"Headers and sizes", headers()},
		{"Streams and compression", streams()},
		{"docker-save manifests", manifests()},
		{"OCI layouts", layouts()},
		{"Configurations", configs()},
		{"Bombs", bombs()},
	}
}

// Group is a part of the corpus.
type Group struct {
	Name  string
	Cases []Case
}

// Cases is the corpus without its groups.
func Cases() []Case {
	var all []Case
	for _, g := range All() {
		all = slices.Concat(all, g.Cases)
	}
	return all
}

// Honest is an image that attacks nothing, for the store to hold while the
// others are loaded: they may not change it.
func Honest() Case {
	return Case{Name: "honest", Verdict: Stored, write: func(w io.Writer, _ string) error {
		lay := plain((&tarball{}).dirs("bin/", "etc/").file("bin/true", "honest\n").file("etc/passwd", "root:x:0:0\n").link("etc/mtab", "/proc/mounts").end())
		return saved{config: config([]layer{lay}), layers: []layer{lay}, tags: []string{"honest:1"}}.write(w)
	}}
}
