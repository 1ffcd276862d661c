package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as a number or with a unit: 512KiB,
// 64M, 2g. Units are powers of 1024, as in Docker.
type Size int64

const units = "KMGTP"

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number := strings.ToUpper(strings.TrimSpace(string(text)))
	number = strings.TrimSuffix(number, "B")
	number = strings.TrimSuffix(number, "I")
	factor := int64(1)
	if n := len(number); n > 0 {
		if i := strings.IndexByte(units, number[n-1]); i >= 0 {
			factor = 1 << (10 * (i + 1))
			number = strings.TrimSpace(number[:n-1])
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a size: use a number of bytes, or one with KiB, MiB, GiB or TiB", text)
	}
	*s = Size(n * factor)
	return nil
}

// String writes the size with the largest unit that leaves it exact.
func (s Size) String() string {
	n, unit := int64(s), ""
	for i := range units {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, units[i:i+1]+"iB"
	}
	return strconv.FormatInt(n, 10) + unit
}
