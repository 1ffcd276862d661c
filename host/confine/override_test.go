package confine

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestARecordIsSpelledAsPodmanSpellsIt(t *testing.T) {
	for text, st := range map[string]Stat{
		"0:0:0755":               {Mode: unix.S_IFDIR | 0o755},
		"1000:7:4711":            {Mode: unix.S_IFREG | 0o4711, UID: 1000, GID: 7},
		"0:0:0644:block-8-0":     {Mode: unix.S_IFBLK | 0o644, Rdev: unix.Mkdev(8, 0)},
		"0:5:0620:char-136-1000": {Mode: unix.S_IFCHR | 0o620, GID: 5, Rdev: unix.Mkdev(136, 1000)},
		"9:9:0600:pipe":          {Mode: unix.S_IFIFO | 0o600, UID: 9, GID: 9},
	} {
		o := overrideOf(&st)
		if o.String() != text {
			t.Errorf("%s, want %s", o.String(), text)
		}
		if back, ok := parseOverride(text); !ok || back != o {
			t.Errorf("%s is read as %+v %v", text, back, ok)
		}
	}
	for _, text := range []string{"0:0:0644:file", "0:0:0755:dir", "0:0:0777:symlink", "0:0:0700:socket", "4294967294:4294967294:7777"} {
		if o, ok := parseOverride(text); !ok || o.mode == 0 {
			t.Errorf("%s: %+v %v", text, o, ok)
		}
	}
	for _, text := range []string{
		"", "0:0", "0:0:", "::0644", "-1:0:0644", "+1:0:0644", "0:0:0888", "0:0:10000", "0:4294967295:0644", "0:0:0644:", "0:0:0644:block",
		"0:0:0644:block-8", "0:0:0644:char-4096-0", "0:0:0644:char-1-1048576", "0:0:0644:file-1-1", "0:0:0644:door", "0:0:0644:file:x", "0 :0:0644",
	} {
		if o, ok := parseOverride(text); ok {
			t.Errorf("%q is taken for %+v", text, o)
		}
	}
}

func TestWhatIsDoneByHandShowsThroughARecord(t *testing.T) {
	const self = 65534
	reg := func(mode uint32) Stat { return Stat{Mode: unix.S_IFREG | mode, UID: self, GID: self} }
	for name, c := range map[string]struct {
		is     Stat
		record string
		mode   uint32
		uid    uint32
	}{
		"as it was made":                  {reg(0o755), "0:0:4755", unix.S_IFREG | 0o4755, 0},
		"opened to its owner":             {reg(0o600), "0:0:0000", unix.S_IFREG, 0},
		"a mode given since":              {reg(0o700), "0:0:4755", unix.S_IFREG | 0o700, 0},
		"set-id of its own owner":         {reg(0o4655), "65534:65534:4455", unix.S_IFREG | 0o4455, self},
		"a device":                        {reg(0o644), "0:0:0644:char-1-3", unix.S_IFCHR | 0o644, 0},
		"a device that was written to":    {Stat{Mode: unix.S_IFREG | 0o644, UID: self, GID: self, Size: 1}, "0:0:0644:char-1-3", unix.S_IFREG | 0o644, 0},
		"a directory":                     {Stat{Mode: unix.S_IFDIR | 0o700, UID: self, GID: self}, "0:0:0000:dir", unix.S_IFDIR, 0},
		"a directory for a device":        {Stat{Mode: unix.S_IFDIR | 0o755, UID: self, GID: self}, "0:0:0755:char-1-3", unix.S_IFDIR | 0o755, self},
		"a file for a symlink":            {reg(0o644), "0:0:0644:symlink", unix.S_IFREG | 0o644, self},
		"a file for what was a directory": {reg(0o644), "0:0:0755:dir", unix.S_IFREG | 0o644, self},
	} {
		o, ok := parseOverride(c.record)
		if !ok {
			t.Fatal(c.record)
		}
		o.over(&c.is)
		if c.is.Mode != c.mode || c.is.UID != c.uid {
			t.Errorf("%s: %o of %d, want %o of %d", name, c.is.Mode, c.is.UID, c.mode, c.uid)
		}
	}
}

func FuzzParseOverride(f *testing.F) {
	for _, s := range []string{"0:0:0644", "0:0:0644:block-8-0", "1:2:7777:pipe", "4294967294:0:0:char-4095-1048575"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, ok := parseOverride(s)
		if !ok {
			return
		}
		if o.uid == 1<<32-1 || o.gid == 1<<32-1 || o.mode > 0o7777 {
			t.Fatalf("%q: %+v", s, o)
		}
		if again, ok := parseOverride(o.String()); !ok || again != o {
			t.Fatalf("%q: %+v is written as %s", s, o, o.String())
		}
	})
}

func FuzzLinkFile(f *testing.F) {
	line, err := formatLink("name\xff", "target", override{uid: 1, mode: 0o777}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte("{}\n{\"name\":\"YQ==\",\"stat\":\"0:0:0777:symlink\"}\n{\"name\":"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, r := range parseLinks(b) {
			line, err := formatLink(name, "t", r.stat, r.xattrs)
			if err != nil {
				t.Fatal(err)
			}
			if again := parseLinks(line)[name]; again.stat != r.stat || len(again.xattrs) != len(r.xattrs) {
				t.Fatalf("%q: %+v, then %+v", name, r, again)
			}
		}
	})
}
