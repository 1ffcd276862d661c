package container

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pair is a name and a value as they stand in an instruction.
type pair struct{ name, value string }

// pairs reads "A=1 B=2", or "A 1" for one.
func pairs(rest string) ([]pair, error) {
	words := split(rest)
	if len(words) == 0 {
		return nil, nil // said by ParseChanges
	}
	if !strings.Contains(words[0], "=") {
		i := strings.IndexAny(rest, " \t")
		if i < 0 {
			return nil, errors.New("a name has no value: write NAME=VALUE")
		}
		return []pair{{rest[:i], strings.TrimSpace(rest[i:])}}, nil
	}
	var all []pair
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not NAME=VALUE; quote a value with spaces", w)
		}
		if name == "" {
			return nil, errors.New("a name is empty")
		}
		all = append(all, pair{name, value})
	}
	return all, nil
}

// expand puts in what the environment has.
func (s *settings) expand(words ...string) ([]string, error) {
	env, err := get[[]string](s.run, "Env")
	if err != nil {
		return nil, err
	}
	out := make([]string, len(words))
	for i, w := range words {
		if out[i], err = expand(w, env); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// expandPairs uses the environment before the instruction for all.
func (s *settings) expandPairs(all []pair) ([]pair, error) {
	out := make([]pair, len(all))
	for i, p := range all {
		words, err := s.expand(p.name, p.value)
		if err != nil {
			return nil, err
		}
		out[i] = pair{words[0], words[1]}
	}
	return out, nil
}

func env(rest string) (func(*settings) error, error) {
	all, err := pairs(rest)
	return func(s *settings) error {
		given, err := s.expandPairs(all)
		if err != nil {
			return err
		}
		env, err := get[[]string](s.run, "Env")
		if err != nil {
			return err
		}
	next:
		for _, p := range given {
			for i, old := range env {
				if name, _, _ := strings.Cut(old, "="); name == p.name {
					env[i] = p.name + "=" + p.value
					continue next
				}
			}
			env = append(env, p.name+"="+p.value)
		}
		return set(s.run, "Env", env)
	}, err
}

func label(rest string) (func(*settings) error, error) {
	all, err := pairs(rest)
	return func(s *settings) error {
		given, err := s.expandPairs(all)
		if err != nil {
			return err
		}
		labels, err := get[map[string]string](s.run, "Labels")
		if err != nil {
			return err
		}
		if labels == nil {
			labels = map[string]string{}
		}
		for _, p := range given {
			labels[p.name] = p.value
		}
		return set(s.run, "Labels", labels)
	}, err
}

// add puts keys into a set as Docker writes it: {"80/tcp":{}}.
func (s *settings) add(field string, keys ...string) error {
	all, err := get[map[string]struct{}](s.run, field)
	if err != nil {
		return err
	}
	if all == nil {
		all = map[string]struct{}{}
	}
	for _, k := range keys {
		all[k] = struct{}{}
	}
	return set(s.run, field, all)
}

func expose(rest string) (func(*settings) error, error) {
	words := strings.Fields(rest)
	return func(s *settings) error {
		given, err := s.expand(words...)
		if err != nil {
			return err
		}
		for _, spec := range strings.Fields(strings.Join(given, " ")) {
			ports, err := ports(spec)
			if err != nil {
				return err
			}
			if err := s.add("ExposedPorts", ports...); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// ports lists those of "80", "80/udp" or "8000-8010/tcp".
func ports(spec string) ([]string, error) {
	numbers, protocol, ok := strings.Cut(spec, "/")
	if !ok {
		protocol = "tcp"
	}
	protocol = strings.ToLower(protocol)
	first, last, ranged := strings.Cut(numbers, "-")
	if !ranged {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if errors.Join(err1, err2) != nil || from > to || protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return nil, fmt.Errorf("port %q: write PORT, PORT-PORT, and /tcp, /udp or /sctp after it", spec)
	}
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("%d/%s", n, protocol))
	}
	return all, nil
}

func volume(rest string) (func(*settings) error, error) {
	words, ok, err := list(rest)
	if !ok {
		words = strings.Fields(rest)
	}
	for i, w := range words {
		if words[i] = strings.TrimSpace(w); words[i] == "" && err == nil {
			err = errors.New("a volume is empty")
		}
	}
	return func(s *settings) error {
		given, err := s.expand(words...)
		if err != nil {
			return err
		}
		return s.add("Volumes", given...)
	}, err
}

func user(rest string) (func(*settings) error, error) {
	return func(s *settings) error {
		given, err := s.expand(rest)
		if err != nil {
			return err
		}
		return set(s.run, "User", given[0])
	}, nil
}

func workdir(rest string) (func(*settings) error, error) {
	return func(s *settings) error {
		given, err := s.expand(rest)
		if err != nil {
			return err
		}
		now, err := get[string](s.run, "WorkingDir")
		if err != nil {
			return err
		}
		if given[0] == "" {
			return errors.New("the directory is empty")
		}
		if !path.IsAbs(given[0]) {
			given[0] = path.Join("/", now, given[0])
		}
		return set(s.run, "WorkingDir", given[0])
	}, nil
}

func stopSignal(rest string) (func(*settings) error, error) {
	return func(s *settings) error {
		given, err := s.expand(rest)
		if err != nil {
			return err
		}
		if !isSignal(given[0]) {
			return fmt.Errorf("%q is no signal", given[0])
		}
		return set(s.run, "StopSignal", given[0])
	}, nil
}

// isSignal knows numbers, names, and the real-time ones: RTMIN, RTMAX-2.
func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 1 && n <= 64
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	for _, end := range []string{"RTMIN+", "RTMAX-"} {
		if steps, ok := strings.CutPrefix(name, end); ok {
			n, err := strconv.ParseUint(steps, 10, 8)
			return err == nil && n <= 30
		}
	}
	return name == "RTMIN" || name == "RTMAX" || unix.SignalNum("SIG"+name) != 0
}
