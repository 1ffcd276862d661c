package filter

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

// check refuses values that could never mean anything, before any image is
// looked at.
func check(key, value string) error {
	var err error
	switch key {
	case Dangling:
		if value != "true" && value != "false" {
			err = errors.New("it can be true or false")
		}
	case Before, Since:
		if value == "" {
			err = errors.New("name an image")
		}
	case Reference:
		_, err = path.Match(value, "")
	case Until:
		_, err = parseUntil(value, time.Time{})
	case Size:
		_, err = parseSize(value)
	case Layer:
		err = checkDigest(value)
	case Driver:
		if value == "" {
			err = errors.New("name a driver")
		}
	}
	return err
}

// layouts are the times that until takes, as Docker does; those without a
// zone are local.
var layouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01-02Z07:00",
}

// parseUntil reads a time: how long before now ("36h"), a date, a time, or
// seconds of Unix. (moby api/types/time.GetTimestamp.)
func parseUntil(value string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(value); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, value, time.Local); err == nil {
			return t, nil
		}
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && math.Abs(seconds) < 1<<53 {
		whole, part := math.Modf(seconds)
		return time.Unix(int64(whole), int64(part*1e9)), nil
	}
	return time.Time{}, errors.New("it can be a duration (36h), a date (2024-05-06), a time (2024-05-06T07:08:09Z) or seconds since 1970")
}

// bound is one condition on a size.
type bound struct {
	op    string
	bytes int64
}

func (b bound) holds(size int64) bool {
	switch b.op {
	case "<":
		return size < b.bytes
	case "<=":
		return size <= b.bytes
	case ">":
		return size > b.bytes
	case ">=":
		return size >= b.bytes
	}
	return size == b.bytes
}

// units are Docker's: powers of 1000, and of 1024 with an i.
var units = map[string]float64{
	"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50,
}

func parseSize(value string) (bound, error) {
	digits := strings.TrimLeft(value, "<>=")
	b := bound{op: value[:len(value)-len(digits)]}
	switch b.op {
	case "", "=", "==":
		b.op = "="
	case "<", "<=", ">", ">=":
	default:
		return b, fmt.Errorf("%q is none of <, <=, >, >=, =", b.op)
	}
	digits = strings.ToLower(strings.TrimSpace(digits))
	number := strings.TrimRight(digits, "bkmgtpi ")
	unit, known := units[strings.TrimSpace(digits[len(number):])]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || !(n >= 0) || n*unit >= math.MaxInt64 {
		return b, errors.New("it can be a size such as 100MB or 1.5GiB, with <, <=, > or >= before it")
	}
	b.bytes = int64(n * unit)
	return b, nil
}

// checkDigest refuses what no digest begins with.
func checkDigest(value string) error {
	hex := strings.TrimPrefix(value, "sha256:")
	if hex == "" || len(hex) > 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return errors.New("it can be a diff ID, a chain ID, or the beginning of one")
	}
	return nil
}
