package render

import (
	"fmt"
	"time"
)

// Size writes a number of bytes as Docker does: powers of 1000, three
// digits.
func Size(n int64) string {
	f := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if f < 1000 {
			return fmt.Sprintf("%.3g%s", f, unit)
		}
		f /= 1000
	}
	return fmt.Sprintf("%.4gPB", f)
}

// Ago writes how long before now t was, as Docker does; the zero time, which
// stands for one that is not known, is "N/A".
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "N/A"
	}
	return span(now.Sub(t)) + " ago"
}

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

// Ellipsis shortens s to n letters, the last of which then says so.
func Ellipsis(s string, n int) string {
	letters := []rune(s)
	if len(letters) <= n {
		return s
	}
	return string(letters[:n-1]) + "…"
}
