package container

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// check is a health check as configurations have it.
type check struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// healthcheck reads "NONE", or "[--interval=1m …] CMD …".
func healthcheck(rest string) (func(*settings) error, error) {
	var c check
	for strings.HasPrefix(rest, "--") {
		flag, after, _ := strings.Cut(rest, " ")
		name, value, _ := strings.Cut(flag, "=")
		if err := c.flag(name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		rest = strings.TrimSpace(after)
	}
	kind, command, _ := strings.Cut(rest, " ")
	command = strings.TrimSpace(command)
	words, ok, err := list(command)
	switch {
	case err != nil:
		return nil, err
	case strings.EqualFold(kind, "NONE") && command == "":
		c = check{Test: []string{"NONE"}}
	case !strings.EqualFold(kind, "CMD") || command == "" || ok && len(words) == 0:
		return nil, errors.New("write NONE, or CMD and a command")
	case ok:
		c.Test = append([]string{"CMD"}, words...)
	default:
		c.Test = []string{"CMD-SHELL", command}
	}
	return func(s *settings) error { return set(s.run, "Healthcheck", c) }, nil
}

func (c *check) flag(name, value string) error {
	var d *time.Duration
	switch name {
	case "--interval":
		d = &c.Interval
	case "--timeout":
		d = &c.Timeout
	case "--start-period":
		d = &c.StartPeriod
	case "--retries":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return errors.New("write a number from 1 up")
		}
		c.Retries = n
		return nil
	default:
		return errors.New("there is --interval, --timeout, --start-period and --retries")
	}
	var err error
	if *d, err = time.ParseDuration(value); err != nil || *d < time.Millisecond {
		return errors.New("write a duration from 1ms up, such as 30s")
	}
	return nil
}
