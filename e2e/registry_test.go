//go:build e2e

package e2e

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// distribution starts Debian's docker-registry on this machine's loopback and
// returns its host. With a password, "me" has to give it.
func distribution(t testing.TB, password bool) (host string) {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("docker-registry is not installed (make deps)")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = free.Addr().String()
	free.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), host)
	if password {
		// "secret", by bcrypt with its least cost.
		users := filepath.Join(dir, "users")
		if err := os.WriteFile(users, []byte("me:$2b$04$mME8kD1o9xAYdpDOVsb72u8OPRD05kw1hCjsaOIGvj8EJ4DZaMzHW\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		config += fmt.Sprintf("auth: {htpasswd: {realm: here, path: %q}}\n", users)
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get("http://" + host + "/v2/"); err == nil {
			res.Body.Close()
			return host
		}
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("docker-registry does not answer: %s", text)
	return ""
}

// login makes the program use a docker configuration of that text.
func (p *program) login(config string) {
	p.t.Helper()
	dir := p.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.env = append(p.env, "DOCKER_CONFIG="+dir, "HOME="+dir)
}

var digestLine = regexp.MustCompile(`(?i)digest: (sha256:[0-9a-f]{64})`)

func digestIn(t testing.TB, out string) string {
	t.Helper()
	m := digestLine.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no digest in %q", out)
	}
	return m[1]
}

func TestWhatSkopeoPushedIsPulledAndComesOutTheSame(t *testing.T) {
	t.Parallel()
	image, host := debianSlim(t), distribution(t, false)
	tool(t, "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci-archive:"+image, "docker://"+host+"/debian:slim")
	want := strings.TrimSpace(tool(t, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+host+"/debian:slim"))
	for _, driver := range []string{"vfs", "overlay2"} {
		p := newProgramOn(t, driver)
		p.env = append(p.env, "BULKHEAD_KEEP_BLOBS=true")
		out := p.ok("image", "pull", host+"/debian:slim")
		if got := digestIn(t, out); got != want || !strings.Contains(out, "Status: Downloaded newer image for "+host+"/debian:slim\n") {
			t.Errorf("%s: %s, want %s", driver, out, want)
		}
		if id := strings.TrimSpace(p.ok("image", "ls", "-q", "--no-trunc")); id != debianSlimID {
			t.Errorf("%s: image %s", driver, id)
		}
		p.ok("image", "verify")
		if out := p.ok("image", "pull", host+"/debian:slim"); !strings.Contains(out, "Image is up to date") {
			t.Errorf("%s: again: %s", driver, out)
		}
		if out := p.ok("image", "pull", "-q", host+"/debian@"+want); strings.TrimSpace(out) != host+"/debian@"+want {
			t.Errorf("%s: by digest: %s", driver, out)
		}

		// What was kept goes to another registry as it came.
		other := distribution(t, false)
		p.ok("image", "tag", debianSlimID, other+"/copy:1")
		if got := digestIn(t, p.ok("image", "push", other+"/copy:1")); got != want {
			t.Errorf("%s: pushed as %s, pulled as %s", driver, got, want)
		}
		if out := p.ok("image", "inspect", "--format", "{{join .RepoDigests \" \"}}", other+"/copy:1"); !strings.Contains(out, other+"/copy@"+want) {
			t.Errorf("%s: its digests are %s", driver, out)
		}
		dir := filepath.Join(t.TempDir(), "copy")
		tool(t, "skopeo", "copy", "-q", "--src-tls-verify=false", "docker://"+other+"/copy:1", "dir:"+dir)
		if got := strings.TrimSpace(tool(t, "skopeo", "manifest-digest", filepath.Join(dir, "manifest.json"))); got != want {
			t.Errorf("%s: skopeo got %s", driver, got)
		}
		p.ok("image", "rm", "-f", debianSlimID)
		if left, _ := filepath.Glob(filepath.Join(p.root, "bulkhead/blobs/*/sha256/*")); len(left) != 0 {
			t.Errorf("%s: blobs are still kept: %v", driver, left)
		}
	}
}

func TestWhatIsPushedIsPulledByDockerAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	host, d := distribution(t, false), newDaemon(t, "overlay2")
	p := newProgram(t)
	p.ok("image", "load", "-q", "-i", oci(t, archive(t, "etc/hello", "hello\n"), true))
	id := strings.TrimSpace(p.ok("image", "ls", "-q", "--no-trunc"))
	for _, format := range []string{"docker", "oci"} {
		name := host + "/" + format + ":1"
		p.ok("image", "tag", id, name)
		want := digestIn(t, p.ok("image", "push", "--format", format, name))
		if got := digestIn(t, d.docker("pull", name)); got != want {
			t.Errorf("%s: docker pulled %s, pushed was %s", format, got, want)
		}
		if got := strings.TrimSpace(d.docker("image", "inspect", "--format", "{{.ID}} {{join .RepoDigests \" \"}}", name)); !strings.HasPrefix(got, id+" ") || !strings.Contains(got, host+"/"+format+"@"+want) {
			t.Errorf("%s: docker has %s", format, got)
		}
		theirs := host + "/theirs:" + format
		d.docker("tag", name, theirs)
		pushed := digestIn(t, d.docker("push", theirs))
		other := newProgram(t)
		out := other.ok("image", "pull", theirs)
		if got := digestIn(t, out); got != pushed {
			t.Errorf("%s: pulled %s, docker pushed %s", format, got, pushed)
		}
		if got := strings.TrimSpace(other.ok("image", "ls", "-q", "--no-trunc")); got != id {
			t.Errorf("%s: image %s, want %s", format, got, id)
		}
	}
}

func TestARegistryWithAPasswordWantsIt(t *testing.T) {
	t.Parallel()
	host := distribution(t, true)
	p := newProgram(t)
	p.ok("image", "load", "-q", "-i", oci(t, archive(t, "etc/hello", "hello\n"), true))
	id := strings.TrimSpace(p.ok("image", "ls", "-q", "--no-trunc"))
	p.ok("image", "tag", id, host+"/app:1")
	p.login(`{}`)
	p.fails(1, []string{host, "access denied", "docker login " + host}, "image", "push", host+"/app:1")
	p.login(`{"auths":{"` + host + `":{"auth":"bWU6d3Jvbmc="}}}`)
	p.fails(1, []string{"access denied"}, "image", "push", host+"/app:1")
	p.login(`{"auths":{"` + host + `":{"auth":"bWU6c2VjcmV0"}}}`)
	p.ok("image", "push", host+"/app:1")

	other := newProgram(t)
	other.login(`{}`)
	other.fails(1, []string{"access denied"}, "image", "pull", host+"/app:1")
	other.login(`{"auths":{"` + host + `":{"auth":"bWU6c2VjcmV0"}}}`)
	other.ok("image", "pull", host+"/app:1")
	other.fails(1, []string{"not found", host + "/app:2"}, "image", "pull", host+"/app:2")
	for _, r := range []result{other.run("image", "pull", host+"/none:1"), other.run("image", "pull", "127.0.0.1:1/none:1")} {
		if r.code != 1 || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("exit %d: %s", r.code, r.stderr)
		}
	}
}

// cutting is a way to a server on which each of the first connections ends
// after so many bytes. It returns its address, and how many bytes came through.
func cutting(t testing.TB, to string, first int32, after int64) (string, *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var n atomic.Int32
	var through atomic.Int64
	go func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				here.Close()
				continue
			}
			limit := int64(1 << 40)
			if n.Add(1) <= first {
				limit = after
			}
			go io.Copy(there, here)
			go func() {
				m, _ := io.CopyN(here, there, limit)
				through.Add(m)
				here.Close()
				there.Close()
			}()
		}
	}()
	return l.Addr().String(), &through
}

func TestAPullGoesOnOverConnectionsThatBreakAndAfterItWasKilled(t *testing.T) {
	t.Parallel()
	image, host := debianSlim(t), distribution(t, false)
	tool(t, "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci-archive:"+image, "docker://"+host+"/debian:slim")
	fi, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}

	way, through := cutting(t, host, 12, 5<<20)
	p := newProgram(t)
	p.ok("image", "pull", way+"/debian:slim")
	p.ok("image", "verify")
	if got := strings.TrimSpace(p.ok("image", "ls", "-q", "--no-trunc")); got != debianSlimID {
		t.Errorf("image %s", got)
	}
	if got := through.Load(); got > fi.Size()*5/4 {
		t.Errorf("%d bytes came for an image of %d", got, fi.Size())
	}

	// Killed as soon as a part is there, the next one goes on with it.
	p = newProgram(t)
	cmd := p.command("image", "pull", host+"/debian:slim")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	parts := filepath.Join(p.root, "bulkhead/blobs/partial/sha256/*")
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && size(parts) < 1<<20; {
		time.Sleep(time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	had := size(parts)
	if had < 1<<20 {
		t.Fatalf("only %d bytes were there when it was killed", had)
	}
	way, through = cutting(t, host, 0, 0)
	// The reference names another host, and the blobs are the same.
	p.ok("image", "pull", way+"/debian:slim")
	p.ok("image", "verify")
	if left := size(parts); left != 0 {
		t.Errorf("%d bytes are left of the download", left)
	}
	// Connections are counted when they have ended, which they have by now or
	// not: what came is not more than what was missing either way.
	if got := through.Load(); got > fi.Size()-had+1<<20 {
		t.Errorf("%d bytes came, though %d of %d were there", got, had, fi.Size())
	}
}

// size is how many bytes the files of a pattern have.
func size(pattern string) (n int64) {
	files, _ := filepath.Glob(pattern)
	for _, f := range files {
		if fi, err := os.Stat(f); err == nil {
			n += fi.Size()
		}
	}
	return n
}

func TestMirrorsAreConfigured(t *testing.T) {
	t.Parallel()
	host, mirror := distribution(t, false), distribution(t, false)
	p := newProgram(t)
	p.ok("image", "load", "-q", "-i", oci(t, archive(t, "etc/hello", "hello\n"), true))
	id := strings.TrimSpace(p.ok("image", "ls", "-q", "--no-trunc"))
	p.ok("image", "tag", id, mirror+"/cache/app:1")
	p.ok("image", "push", mirror+"/cache/app:1")
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf("registries: {%q: {mirrors: [%q]}}\n", host, mirror+"/cache")), 0o600); err != nil {
		t.Fatal(err)
	}
	other := newProgram(t)
	other.fails(1, []string{"not found"}, "image", "pull", host+"/app:1")
	other.ok("--config", config, "image", "pull", host+"/app:1")
	if got := strings.TrimSpace(other.ok("image", "ls", "-q", "--no-trunc")); got != id {
		t.Errorf("image %s", got)
	}
	if out := other.ok("--config", config, "config", "show", "--origin"); !strings.Contains(out, "registries."+host+".mirrors") {
		t.Errorf("config show: %s", out)
	}
}

func TestExportIsWhatDockerExportsAndImportsAgain(t *testing.T) {
	t.Parallel()
	image, d := debianSlim(t), newDaemon(t, "overlay2")
	p := newProgramOn(t, "overlay2")
	p.ok("image", "load", "-q", "-i", image)
	out := filepath.Join(t.TempDir(), "out.tar")
	p.ok("image", "export", "-o", out, debianSlimID)
	id := strings.TrimSpace(p.ok("image", "import", "-c", `CMD ["sh"]`, out, "flat:1"))
	if again := p.ok("image", "export", "flat:1"); again != string(read(t, out)) {
		t.Error("what was imported is exported otherwise")
	}
	flat := filepath.Join(t.TempDir(), "flat.tar")
	p.ok("image", "save", "-o", flat, "flat:1")
	d.docker("load", "-i", flat)
	if got := strings.TrimSpace(d.docker("image", "inspect", "--format", "{{.ID}} {{.Config.Cmd}}", "flat:1")); got != id+" [sh]" {
		t.Errorf("docker has %s, want %s", got, id)
	}
	// docker's export of the same image, but for what it adds itself.
	whole := filepath.Join(t.TempDir(), "debian.tar")
	p.ok("image", "save", "-o", whole, debianSlimID)
	d.docker("load", "-i", whole)
	container := strings.TrimSpace(d.docker("create", debianSlimID, "sh"))
	theirs := filepath.Join(t.TempDir(), "theirs.tar")
	d.docker("export", "-o", theirs, container)
	ours, want := listed(t, out), listed(t, theirs)
	if len(ours) < 5000 {
		t.Fatalf("%d entries were exported", len(ours))
	}
	for name, line := range ours {
		if want[name] != line && !dockersOwn(name) {
			t.Errorf("%s: %q, docker has %q", name, line, want[name])
		}
	}
	for name := range want {
		if _, ok := ours[name]; !ok && !dockersOwn(name) {
			t.Errorf("%s: missing", name)
		}
	}
}

// dockersOwn tells whether docker puts something there for each container.
func dockersOwn(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{".dockerenv", "dev", "proc", "sys"}, top) ||
		slices.Contains([]string{"etc", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"}, name)
}

// listed is what a tar says of each of its entries. Of a hard link only that
// it is a file: which of the names comes first is chance.
func listed(t testing.TB, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, r); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%c %o %d:%d %d %q %x", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.ModTime.Unix(), h.Linkname, hash.Sum(nil)[:4])
		if h.Typeflag == tar.TypeLink {
			line = fmt.Sprintf("hard link to %q or the other way round", h.Linkname)
		}
		all[strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")] = line
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
