//go:build fault

package fault

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// serve starts a docker-registry on the loopback that has the small image, and
// returns its host: "" where there is none to start.
func serve(t testing.TB, in images) string {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		return ""
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := free.Addr().String()
	free.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for try := 0; ; try++ {
		res, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			res.Body.Close()
			break
		}
		if try == 300 {
			t.Fatalf("docker-registry does not answer: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	p := &program{t: t, disk: &disk{t: t, dir: t.TempDir()}, driver: "vfs", run: t.TempDir()}
	p.ok("image", "load", "-q", "-i", in.small)
	p.ok("image", "tag", "small:1", host+"/small:1")
	p.ok("image", "push", "-q", host+"/small:1")
	return host
}
