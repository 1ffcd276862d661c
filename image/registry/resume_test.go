package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/registry"
)

// noise is text that does not compress.
func noise(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}

// isBlob tells whether a request is for the layer.
func isBlob(r *http.Request, img sample) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest.FromBytes(img.packed[0]).String())
}

// cut sends so many bytes of an answer and hangs up.
func cut(w http.ResponseWriter, r *http.Request, answer http.Handler, after int) {
	rec := httptest.NewRecorder()
	answer.ServeHTTP(rec, r)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes()[:min(after, rec.Body.Len())])
	w.(http.Flusher).Flush()
	if rec.Body.Len() > after {
		panic(http.ErrAbortHandler)
	}
}

// ranged answers a request for a part of the layer.
func ranged(w http.ResponseWriter, r *http.Request, img sample) {
	http.ServeContent(w, r, "", zeroTime, bytes.NewReader(img.packed[0]))
}

func TestDownloadGoesOnWhereTheConnectionBroke(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, noise(1<<20))
	s.image("app", "1", img)
	var ranges []string
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if !isBlob(r, img) {
			answer.ServeHTTP(w, r)
			return
		}
		ranges = append(ranges, r.Header.Get("Range"))
		cut(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ranged(w, r, img) }), 300<<10)
	}
	if _, err := c.pull(s.host+"/app:1", nil); err != nil {
		t.Fatal(err)
	}
	c.want(img, s.host+"/app:1", s.host+"/app@"+c.digestOf(img))
	want := []string{"", "bytes=307200-", "bytes=614400-", "bytes=921600-"}
	if strings.Join(ranges, ",") != strings.Join(want, ",") {
		t.Errorf("asked for %q", ranges)
	}
}

func TestDownloadGoesOnInTheNextRun(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		s, c := newServer(t), newClient(t)
		c.opts.Attempts = 1
		img := newSample(t, noise(1<<20))
		s.image("app", "1", img)
		var ranges []string
		s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if !isBlob(r, img) {
				answer.ServeHTTP(w, r)
				return
			}
			ranges = append(ranges, r.Header.Get("Range"))
			if len(ranges) == 1 {
				cut(w, r, answer, 300<<10)
			}
			ranged(w, r, img)
		}
		if _, err := c.pull(s.host+"/app:1", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		c.wantNothing()
		left := filepath.Join(c.root, "bulkhead/blobs/partial/sha256", digest.FromBytes(img.packed[0]).Encoded())
		if data, err := os.ReadFile(left); err != nil || !bytes.Equal(data, img.packed[0][:300<<10]) {
			t.Fatalf("%d bytes are left of it (%v)", len(data), err)
		}
		if damaged {
			if err := os.WriteFile(left, []byte(strings.Repeat("x", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.pull(s.host+"/app:1", nil); err != nil {
			t.Fatal(err)
		}
		want := ",bytes=307200-"
		if damaged {
			want = ",bytes=1000-," // and then all of it
		}
		if got := strings.Join(ranges, ","); got != want {
			t.Errorf("asked for %q", got)
		}
		if _, err := os.Stat(left); !os.IsNotExist(err) {
			t.Errorf("the download is still there: %v", err)
		}
	}
}

func TestAServerThatKnowsNoRangesIsAskedForAllOfIt(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request, img sample){
		"all of it": func(w http.ResponseWriter, _ *http.Request, img sample) { w.Write(img.packed[0]) },
		"another part": func(w http.ResponseWriter, _ *http.Request, img sample) {
			w.Header().Set("Content-Range", "bytes 0-9/1000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(img.packed[0][:10])
		},
		"refused": func(w http.ResponseWriter, _ *http.Request, img sample) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newServer(t), newClient(t)
			img := newSample(t, noise(1<<20))
			s.image("app", "1", img)
			n := 0
			s.between = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if n++; isBlob(r, img) && r.Header.Get("Range") != "" {
					answer(w, r, img)
				} else if isBlob(r, img) && n < 10 {
					n = 10
					cut(w, r, next, 1000)
				} else {
					next.ServeHTTP(w, r)
				}
			}
			if _, err := c.pull(s.host+"/app:1", nil); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestADownloadThatNeverGetsAnywhereIsGivenUp(t *testing.T) {
	s, c := newServer(t), newClient(t)
	c.opts.Attempts = 3
	img := newSample(t, noise(1<<20))
	s.image("app", "1", img)
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if isBlob(r, img) {
			cut(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ranged(w, r, img) }), 10)
		}
		answer.ServeHTTP(w, r)
	}
	if _, err := c.pull(s.host+"/app:1", nil); err == nil {
		t.Fatal("ten bytes at a time were taken")
	}
	if n := s.count("GET", digest.FromBytes(img.packed[0]).String()); n != 3 {
		t.Errorf("asked for %d times", n)
	}
}

// Each answer is all of it, and breaks off at another place: more comes than
// before every second time, and it gets nowhere.
func TestAServerThatBeginsAnewEachTimeIsGivenUp(t *testing.T) {
	s, c := newServer(t), newClient(t)
	c.opts.Attempts = 3
	img := newSample(t, noise(4<<20))
	s.image("app", "1", img)
	asked := 0
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if isBlob(r, img) {
			if asked++; asked < 20 {
				r.Header.Del("Range")
				cut(w, r, answer, []int{1 << 20, 3 << 20}[asked%2])
			}
		}
		answer.ServeHTTP(w, r)
	}
	if _, err := c.pull(s.host+"/app:1", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("asked %d times: %v", asked, err)
	}
}

// Each pull has a layer that the other one wants next.
func TestPullsOfEachOthersLayersDoNotWaitForEachOther(t *testing.T) {
	s, one, other := newServer(t), newClient(t), newClient(t)
	img := newSample(t, "a", "b")
	s.image("app", "1", img)
	other.root = one.root // as far as what is downloaded is concerned
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var wg, begun, fetched sync.WaitGroup
	begun.Add(2)
	fetched.Add(2)
	for i, c := range []*client{one, other} {
		src, err := registry.Open(ctx, ref(t, s.host+"/app:1"), blobs.Of(c.root), c.opts)
		if err != nil {
			t.Fatal(err)
		}
		all, err := archive.List(src, src.LoadOptions(archive.LoadOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			first, second := all[0].Layers[i:i+1], all[0].Layers[1-i:2-i]
			err := src.Fetch(ctx, first, silent{})
			begun.Done()
			begun.Wait()
			if err == nil {
				err = src.Fetch(ctx, second, silent{})
			}
			if err != nil {
				t.Error(err)
			}
			fetched.Done()
			fetched.Wait() // before either is gone again
			src.Spent()
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, data := range img.packed {
		if n := s.count("GET", digest.FromBytes(data).String()); n != 1 {
			t.Errorf("a layer was downloaded %d times", n)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(one.root, "bulkhead/blobs/*/sha256/*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABlobThatIsAnotherIsRefused(t *testing.T) {
	for name, send := range map[string]func(w http.ResponseWriter, img sample){
		"altered": func(w http.ResponseWriter, img sample) {
			data := bytes.Clone(img.packed[0])
			data[len(data)/2] ^= 1
			w.Write(data)
		},
		"longer":         func(w http.ResponseWriter, img sample) { w.Write(append(bytes.Clone(img.packed[0]), 0)) },
		"longer, unsaid": func(w http.ResponseWriter, img sample) { unsaid(w, append(bytes.Clone(img.packed[0]), 0)) },
		"shorter": func(w http.ResponseWriter, img sample) {
			w.Header().Set("Content-Length", strconv.Itoa(len(img.packed[0])-1))
			w.Write(img.packed[0][1:])
		},
		"without end": func(w http.ResponseWriter, img sample) { endless(w) },
		"a part nobody asked of": func(w http.ResponseWriter, img sample) {
			w.WriteHeader(http.StatusPartialContent)
			w.Write(img.packed[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newServer(t), newClient(t)
			img := newSample(t, noise(100<<10))
			s.image("app", "1", img)
			s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
				if isBlob(r, img) {
					send(w, img)
					return
				}
				answer.ServeHTTP(w, r)
			}
			_, err := c.pull(s.host+"/app:1", nil)
			if !errors.Is(err, input.ErrRefused) {
				t.Errorf("%v", err)
			}
			if n := s.count("GET", digest.FromBytes(img.packed[0]).String()); n != 1 {
				t.Errorf("asked for it %d times", n)
			}
			c.wantNothing()
		})
	}
}

// unsaid sends data without saying how much it is.
func unsaid(w http.ResponseWriter, data []byte) {
	w.(http.Flusher).Flush()
	w.Write(data)
}

// endless sends until the other side hangs up.
func endless(w http.ResponseWriter) {
	for block := []byte(strings.Repeat("x", 64<<10)); ; {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func TestDownloadsRunBesideEachOtherUpToTheLimit(t *testing.T) {
	s, c := newServer(t), newClient(t)
	c.opts.Downloads = 2
	img := newSample(t, "a", "b", "c", "d", "e")
	s.image("app", "1", img)
	at, most := 0, 0
	both := make(chan struct{})
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if !strings.Contains(r.URL.Path, "/blobs/") || strings.HasSuffix(r.URL.Path, img.id().Hex()) {
			answer.ServeHTTP(w, r)
			return
		}
		s.mu.Lock()
		if at++; at > most {
			most = at
			if most == 2 {
				close(both)
			}
		}
		s.mu.Unlock()
		<-both // the first waits for the second
		answer.ServeHTTP(w, r)
		s.mu.Lock()
		at--
		s.mu.Unlock()
	}
	if _, err := c.pull(s.host+"/app:1", nil); err != nil {
		t.Fatal(err)
	}
	if most != 2 {
		t.Errorf("%d at once", most)
	}
}

func TestLayersThatAreTooMuchTogetherAreNotDownloaded(t *testing.T) {
	s, c := newServer(t), newClient(t)
	c.opts.Spool = 1000
	img := newSample(t, noise(600), noise(700))
	s.image("app", "1", img)
	_, err := c.pull(s.host+"/app:1", nil)
	if !errors.Is(err, input.ErrRefused) || !strings.Contains(err.Error(), "limits.spool") {
		t.Errorf("%v", err)
	}
	if n := s.count("GET", digest.FromBytes(img.packed[0]).String()); n != 0 {
		t.Errorf("asked for a layer all the same")
	}
}

func TestALayerThatLiesElsewhereIsNotFetchedFromThere(t *testing.T) {
	s, elsewhere, c := newServer(t), newServer(t), newClient(t)
	img := newSample(t, "one")
	d := s.image("app", "1", img)
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			rec := httptest.NewRecorder()
			answer.ServeHTTP(rec, r)
			w.Header().Set("Content-Type", d.MediaType)
			io.WriteString(w, strings.Replace(rec.Body.String(), `"layers":[{`, `"layers":[{"urls":["http://`+elsewhere.host+`/x"],`, 1))
		case isBlob(r, img):
			http.NotFound(w, r)
		default:
			answer.ServeHTTP(w, r)
		}
	}
	if _, err := c.pull(s.host+"/app:1", nil); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if len(elsewhere.asked) != 0 {
		t.Errorf("asked elsewhere: %v", elsewhere.asked)
	}
}
