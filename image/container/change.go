package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Changes are Dockerfile instructions that change how a container of an image
// starts.
type Changes []instruction

// instruction is one line: its effect, and the line itself for errors.
type instruction struct {
	text   string
	change func(*settings) error
}

// settings is the configuration that is being changed.
type settings struct {
	run        object
	commandSet bool
}

// ErrInvalidChange: a line that is no instruction, or not one of those that
// change how a container starts.
var ErrInvalidChange = errors.New("no change of an image's configuration")

// kinds are the instructions that docker commit takes, and how each reads its
// arguments.
func kinds() map[string]func(rest string) (func(*settings) error, error) {
	return map[string]func(string) (func(*settings) error, error){
		"CMD": command, "ENTRYPOINT": entrypoint, "ENV": env, "EXPOSE": expose, "HEALTHCHECK": healthcheck, "LABEL": label,
		"ONBUILD": onbuild, "STOPSIGNAL": stopSignal, "USER": user, "VOLUME": volume, "WORKDIR": workdir,
	}
}

// ParseChanges reads instructions, one a line; a line may go on in the next
// after a backslash, and be empty or a comment. Every error wraps
// ErrInvalidChange.
func ParseChanges(texts ...string) (Changes, error) {
	var all Changes
	text := strings.ReplaceAll(strings.Join(texts, "\n"), "\\\n", "")
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest := line, ""
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			word, rest = line[:i], strings.TrimSpace(line[i:])
		}
		read := kinds()[strings.ToUpper(word)]
		if read == nil {
			var known []string
			for k := range kinds() {
				known = append(known, k)
			}
			slices.Sort(known)
			return nil, fmt.Errorf("%w: %q: use %s", ErrInvalidChange, line, strings.Join(known, ", "))
		}
		change, err := read(rest)
		if err == nil && rest == "" {
			err = errors.New("it has no argument")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrInvalidChange, line, err)
		}
		all = append(all, instruction{line, change})
	}
	return all, nil
}

// apply changes a configuration, one instruction after the other.
func (c Changes) apply(run object) error {
	s := &settings{run: run}
	for _, i := range c {
		if err := i.change(s); err != nil {
			return fmt.Errorf("%q: %w", i.text, err)
		}
	}
	return nil
}

// list reads a JSON list of strings; ok is false where the text is none.
func list(text string) (words []string, ok bool, err error) {
	if !strings.HasPrefix(text, "[") {
		return nil, false, nil
	}
	var all []any
	if json.Unmarshal([]byte(text), &all) != nil {
		return nil, false, nil // as in Docker, a shell's command then
	}
	words = []string{}
	for _, v := range all {
		s, isString := v.(string)
		if !isString {
			return nil, false, errors.New("a list holds something that is no string")
		}
		words = append(words, s)
	}
	return words, true, nil
}

// shellForm is a command as a list, or as a line for the image's shell.
func shellForm(text string) (func(*settings) ([]string, error), error) {
	words, ok, err := list(text)
	if err != nil {
		return nil, err
	}
	return func(s *settings) ([]string, error) {
		if ok {
			return words, nil
		}
		shell, err := get[[]string](s.run, "Shell")
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(slices.Clone(shell), text), err
	}, nil
}

func command(rest string) (func(*settings) error, error) {
	form, err := shellForm(rest)
	return func(s *settings) error {
		words, err := form(s)
		if err != nil {
			return err
		}
		s.commandSet = true
		return set(s.run, "Cmd", words)
	}, err
}

// entrypoint takes away a command that was meant for the one before. An empty
// list takes the entrypoint away (in Docker it does nothing).
func entrypoint(rest string) (func(*settings) error, error) {
	form, err := shellForm(rest)
	return func(s *settings) error {
		words, err := form(s)
		if err != nil {
			return err
		}
		if !s.commandSet && len(words) > 0 {
			delete(s.run, "Cmd")
		}
		if len(words) == 0 {
			delete(s.run, "Entrypoint")
			return nil
		}
		return set(s.run, "Entrypoint", words)
	}, err
}

func onbuild(rest string) (func(*settings) error, error) {
	word, _, _ := strings.Cut(strings.ToUpper(rest), " ")
	if slices.Contains([]string{"ONBUILD", "FROM", "MAINTAINER"}, word) {
		return nil, fmt.Errorf("%s cannot be done later", word)
	}
	return func(s *settings) error {
		all, err := get[[]string](s.run, "OnBuild")
		if err != nil {
			return err
		}
		return set(s.run, "OnBuild", append(all, rest))
	}, nil
}
