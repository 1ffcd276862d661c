package container

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestChangesAreDockerfileInstructions(t *testing.T) {
	const before = `{"Cmd":["old"],"Entrypoint":["entry"],"Env":["A=1","P=/bin"],"Labels":{"k":"v"},"WorkingDir":"/w"}`
	for text, want := range map[string]string{
		"":                                   ``,
		" # nothing\n\n":                     ``,
		`CMD ["a", "b c"]`:                   `"Cmd":["a","b c"]`,
		"CMD a  b":                           `"Cmd":["/bin/sh","-c","a  b"]`,
		"cmd [a, b]":                         `"Cmd":["/bin/sh","-c","[a, b]"]`,
		"CMD []":                             `"Cmd":[]`,
		`ENTRYPOINT ["e"]`:                   `"Cmd":null,"Entrypoint":["e"]`,
		"ENTRYPOINT []":                      `"Entrypoint":null`,
		"CMD c\nENTRYPOINT e":                `"Cmd":["/bin/sh","-c","c"],"Entrypoint":["/bin/sh","-c","e"]`,
		"ENTRYPOINT e\nCMD c":                `"Cmd":["/bin/sh","-c","c"],"Entrypoint":["/bin/sh","-c","e"]`,
		"ENV A=2 B=$A":                       `"Env":["A=2","P=/bin","B=1"]`,
		"ENV A=2\nENV B=$A":                  `"Env":["A=2","P=/bin","B=2"]`,
		"ENV A two  words":                   `"Env":["A=two  words","P=/bin"]`,
		"ENV P=${P}:/x":                      `"Env":["A=1","P=/bin:/x"]`,
		"ENV A=a \\\n B=b":                   `"Env":["A=a","P=/bin","B=b"]`,
		`ENV A="x y" B='$A' C=x\ y D="\$A"`:  `"Env":["A=x y","P=/bin","B=$A","C=x y","D=$A"]`,
		"ENV A=${N:-no} B=${A:+yes} C=$":     `"Env":["A=no","P=/bin","B=yes","C=$"]`,
		"ENV A=${N:-${A}${N}} B=${A:-x}":     `"Env":["A=1","P=/bin","B=1"]`,
		"EXPOSE 80 443/TCP 8000-8002/udp":    `"ExposedPorts":{"443/tcp":{},"80/tcp":{},"8000/udp":{},"8001/udp":{},"8002/udp":{}}`,
		"EXPOSE $A":                          `"ExposedPorts":{"1/tcp":{}}`,
		`LABEL "a b"=c k=new`:                `"Labels":{"a b":"c","k":"new"}`,
		"USER u$A:g":                         `"User":"u1:g"`,
		`VOLUME ["/a b", "/c"]`:              `"Volumes":{"/a b":{},"/c":{}}`,
		"VOLUME /a /b":                       `"Volumes":{"/a":{},"/b":{}}`,
		"WORKDIR /abs/..":                    `"WorkingDir":"/abs/.."`,
		"WORKDIR a/../b":                     `"WorkingDir":"/w/b"`,
		"STOPSIGNAL SIGTERM":                 `"StopSignal":"SIGTERM"`,
		"STOPSIGNAL 9":                       `"StopSignal":"9"`,
		"STOPSIGNAL rtmin+3":                 `"StopSignal":"rtmin+3"`,
		"ONBUILD RUN x\nONBUILD CMD y":       `"OnBuild":["RUN x","CMD y"]`,
		"HEALTHCHECK NONE":                   `"Healthcheck":{"Test":["NONE"]}`,
		"HEALTHCHECK --retries=3 CMD a || b": `"Healthcheck":{"Test":["CMD-SHELL","a || b"],"Retries":3}`,
		`HEALTHCHECK --interval=1m --timeout=1s --start-period=2ms CMD ["a"]`: `"Healthcheck":{"Test":["CMD","a"],"Interval":60000000000,"Timeout":1000000000,"StartPeriod":2000000}`,
	} {
		changes, err := ParseChanges(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var run, expected object
		if err := json.Unmarshal([]byte(before), &run); err != nil {
			t.Fatal(err)
		}
		if err := changes.apply(run); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		merged := before[:len(before)-1] + "," + want + "}"
		if want == "" {
			merged = before
		}
		if err := json.Unmarshal([]byte(merged), &expected); err != nil { // the last of two keys counts
			t.Fatal(err)
		}
		for key, raw := range expected {
			if string(raw) == "null" {
				delete(expected, key)
			}
		}
		got, _ := json.Marshal(run)
		if wanted, _ := json.Marshal(expected); string(got) != string(wanted) {
			t.Errorf("%q makes\n%s\nwant\n%s", text, got, wanted)
		}
	}
}

func TestWhatIsNoChangeIsRefused(t *testing.T) {
	for text, why := range map[string]string{
		"RUN x": "use CMD, ENTRYPOINT, ENV,", "FROM x": "use CMD", "x": "use CMD", "CMD": "no argument", "USER ": "no argument", "ENV A": "NAME=VALUE",
		"ENV A=1 B": `"B" is not NAME=VALUE`, "ENV =x": "empty", "LABEL": "no argument", "LABEL a": "NAME=VALUE", `CMD ["a", 1]`: "no string", `VOLUME ["/a", 2]`: "no string",
		"VOLUME [\"\"]": "empty", "ONBUILD ONBUILD x": "later", "ONBUILD from x": "later", "HEALTHCHECK": "NONE", "HEALTHCHECK x": "NONE", "HEALTHCHECK CMD": "NONE",
		"HEALTHCHECK CMD []": "NONE", "HEALTHCHECK --x CMD y": "there is --interval", "HEALTHCHECK --retries=0 CMD y": "number", "HEALTHCHECK --interval=5 CMD y": "duration",
	} {
		if _, err := ParseChanges("USER 1", text); !errors.Is(err, ErrInvalidChange) || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", text, err, why)
		}
	}
	for text, why := range map[string]string{
		"USER ${A": "not closed", "USER ${}": "no name", "USER ${A:?x}": ":?", "USER 'a": "single quote", `USER "a`: "double quote", "USER ${A:-x": "end",
		"EXPOSE x": `port "x"`, "EXPOSE 80/icmp": "udp", "EXPOSE 90-80": "PORT", "EXPOSE 70000": "PORT", "WORKDIR $NONE": "empty", "STOPSIGNAL x": "no signal", "STOPSIGNAL 0": "no signal",
		"STOPSIGNAL RTMIN+x": "no signal",
	} {
		changes, err := ParseChanges(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if err := changes.apply(object{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
	}
}

func TestAConfigurationThatIsNoneIsRefused(t *testing.T) {
	for field, text := range map[string]string{"Env": "ENV A=1", "Labels": "LABEL a=1", "ExposedPorts": "EXPOSE 1", "OnBuild": "ONBUILD x", "WorkingDir": "WORKDIR x", "Shell": "CMD x"} {
		changes, err := ParseChanges(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := changes.apply(object{field: json.RawMessage("7")}); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s of 7: %v", field, err)
		}
	}
}

func FuzzChanges(f *testing.F) {
	for _, s := range []string{"ENV A=${B:-'x'} C=\"$D\\\\\"", "CMD [\"a\"]", "LABEL a=b \\\n c=d", "HEALTHCHECK --interval=1s CMD x", "EXPOSE 1-3/udp $A", "VOLUME [\"a\"]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 {
			return
		}
		changes, err := ParseChanges(text)
		if err != nil {
			if !errors.Is(err, ErrInvalidChange) {
				t.Fatal(err)
			}
			return
		}
		run := object{"Env": json.RawMessage(`["A=1"]`)}
		if changes.apply(run) != nil {
			return
		}
		if _, err := json.Marshal(run); err != nil {
			t.Errorf("%q makes what is no JSON: %v", text, err)
		}
	})
}
