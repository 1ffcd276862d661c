package render

import (
	"fmt"
	"time"

	"golang.org/x/text/width"
)

// Size writes a number of bytes as Docker does: powers of 1000, three
// digits. Below zero, it stands for one that is not known: "N/A".
func Size(n int64) string { return size(n, 3) }

// LongSize is Size with four digits, which Docker has where it tells how
// much of a size is shared.
func LongSize(n int64) string { return size(n, 4) }

func size(n int64, digits int) string {
	if n < 0 {
		return NotKnown
	}
	f := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB", "PB"} {
		if f < 1000 {
			return fmt.Sprintf("%.*g%s", digits, f, unit)
		}
		f /= 1000
	}
	return fmt.Sprintf("%.*gEB", digits, f)
}

// NotKnown is what Docker shows in place of a value that is not known.
const NotKnown = "N/A"

// Ago writes how long before now t was, as Docker does, which knows whole
// seconds only.
func Ago(t, now time.Time) string { return span(now.Sub(time.Unix(t.Unix(), 0))) + " ago" }

func span(d time.Duration) string {
	hours := int(d.Hours() + 0.5)
	switch {
	case d < time.Second:
		return "Less than a second"
	case d < 2*time.Second:
		return "1 second"
	case d < time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Minute:
		return "About a minute"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case hours <= 1:
		return "About an hour"
	case hours < 48:
		return fmt.Sprintf("%d hours", hours)
	case hours < 24*7*2:
		return fmt.Sprintf("%d days", hours/24)
	case hours < 24*30*2:
		return fmt.Sprintf("%d weeks", hours/24/7)
	case hours < 24*365*2:
		return fmt.Sprintf("%d months", hours/24/30)
	}
	return fmt.Sprintf("%d years", int(d.Hours())/24/365)
}

// Time writes a time as Docker's CreatedAt does.
func Time(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -0700 MST") }

// Ellipsis shortens s to n columns, the last of which then says so. Wide
// letters take two. (docker cli/command/formatter/displayutils.go.)
func Ellipsis(s string, n int) string {
	columns, cut := 0, 0 // cut is where n-1 columns end
	for i, r := range s {
		if columns < n {
			cut = i
		}
		columns++
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			columns++
		}
	}
	if columns <= n {
		return s
	}
	return s[:cut] + "…"
}
