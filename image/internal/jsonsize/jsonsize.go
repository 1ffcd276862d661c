// Package jsonsize tells how much a JSON document becomes when it is decoded,
// before it is: three bytes of text may make a structure of hundreds. It may
// import nothing of this module.
package jsonsize

import "fmt"

// Most is how many values a document about images may have. Large ones have
// some thousands.
const Most = 1 << 16

// Check fails if a document has more than Most values: members of objects and
// elements of lists, at any depth. Of what is no JSON it says nothing.
func Check(data []byte) error {
	n := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case ',', '{', '[':
			n++
		}
	}
	if n > Most {
		return fmt.Errorf("it has more than %d values", Most)
	}
	return nil
}
