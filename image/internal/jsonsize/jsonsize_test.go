package jsonsize

import (
	"strings"
	"testing"
)

func TestValuesAreCountedOutsideOfText(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"a":[1,2,{"b":"c"}]}`: true,
		"":                      true,
		`"unterminated \`:       true,
		`"` + strings.Repeat(`,{[\"`, Most) + `"`:    true,
		"[" + strings.Repeat("0,", Most-1) + "0]":    true,
		"[" + strings.Repeat("0,", Most) + "0]":      false,
		strings.Repeat("[", Most+1):                  false,
		`["\\",` + strings.Repeat("{},", Most) + "]": false,
	} {
		if err := Check([]byte(text)); (err == nil) != ok {
			t.Errorf("%.40s…: %v", text, err)
		}
	}
}
