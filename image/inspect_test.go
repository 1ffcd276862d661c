package image_test

import (
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/image"
)

func TestInspectionHasDockersShape(t *testing.T) {
	f := newFixture(t)
	d := f.layer("four")
	id := f.imageOf(config(t, "2024-05-06T07:08:09.12Z", func(c map[string]any) {
		c["config"] = map[string]any{"Env": []string{"A=1"}, "Cmd": "sh", "Labels": map[string]string{"l": "v"}, "ExposedPorts": map[string]any{"80/tcp": map[string]any{}}}
		c["author"], c["comment"], c["docker_version"], c["variant"] = "me", "why", "20.10", "v2"
	}, d), "app:1")
	in, err := f.images.Inspect(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	in.GraphDriver.Data = nil
	got, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Id":"` + id.String() + `","RepoTags":["app:1"],"RepoDigests":[],"Parent":"","Comment":"why",` +
		`"Created":"2024-05-06T07:08:09.12Z","Container":"","ContainerConfig":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,` +
		`"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},"DockerVersion":"20.10","Author":"me",` +
		`"Config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,` +
		`"ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["A=1"],"Cmd":["sh"],"Image":"",` +
		`"Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"l":"v"}},` +
		`"Architecture":"amd64","Variant":"v2","Os":"linux","Size":4,"VirtualSize":4,"GraphDriver":{"Data":null,"Name":"plain"},` +
		`"RootFS":{"Type":"layers","Layers":["` + string(d) + `"]},"Metadata":{"LastTagTime":"2023-11-14T22:13:20.000000005Z"}}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestHistoryTellsSizesAndKnownImages(t *testing.T) {
	f := newFixture(t)
	d1 := f.layer("one")
	d2 := f.layer("three", d1)
	step := func(by string, empty bool) map[string]any {
		return map[string]any{"created": day1, "created_by": by, "empty_layer": empty}
	}
	history := []any{step("ADD", false), step("ENV", true), step("RUN", false)}
	parent := f.imageOf(config(t, day1, func(c map[string]any) { c["history"] = history[:2] }, d1))
	id := f.imageOf(config(t, day2, func(c map[string]any) { c["history"] = history }, d1, d2), "app:1")
	if err := f.images.SetParent(ctx, id, parent); err != nil {
		t.Fatal(err)
	}
	steps, err := f.images.History(id)
	if err != nil || len(steps) != 3 {
		t.Fatalf("%+v, %v", steps, err)
	}
	created, _ := time.Parse(time.RFC3339, day1)
	for i, want := range []image.HistoryStep{
		{ID: id, CreatedBy: "RUN", Size: 5, Created: created, Tags: []string{"app:1"}},
		{ID: parent, CreatedBy: "ENV", Empty: true, Created: created},
		{CreatedBy: "ADD", Size: 3, Created: created},
	} {
		got, _ := json.Marshal(steps[i])
		exp, _ := json.Marshal(want)
		if string(got) != string(exp) {
			t.Errorf("step %d: %s, want %s", i, got, exp)
		}
	}
	bare := f.imageOf(config(t, day3, nil, d1, d2))
	if steps, err := f.images.History(bare); err != nil || len(steps) != 0 {
		t.Errorf("without history, which Docker shows as none: %+v, %v", steps, err)
	}
}

func TestInspectionTakesCommentFromTheLastStepAndTheSystemFromHere(t *testing.T) {
	f := newFixture(t)
	id := f.imageOf(config(t, day1, func(c map[string]any) {
		delete(c, "os")
		c["history"] = []any{map[string]any{"comment": "first"}, map[string]any{"comment": "last", "empty_layer": true}}
	}, f.layer("x")))
	in, err := f.images.Inspect(ctx, id)
	if err != nil || in.Comment != "last" || in.Os != runtime.GOOS {
		t.Errorf("%+v, %v", in, err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"created":"2024-01-01T00:00:00Z","config":{"Cmd":"x"},"rootfs":{"type":"layers","diff_ids":["sha256:x"]},"history":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := image.ParseConfig(data)
		if err != nil {
			return
		}
		if len(c.Chain()) != len(c.DiffIDs()) {
			t.Error("chain and layers differ in length")
		}
		image.BuiltOn(c, c)
	})
}
