package container

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// split cuts the arguments of an instruction at spaces outside quotes. Quotes
// and backslashes stay, for expand. (moby buildkit dockerfile/parser
// parseWords.)
func split(s string) []string {
	var words []string
	var word strings.Builder
	inWord := false
	var quote rune
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		c := runes[i]
		switch {
		case quote == 0 && unicode.IsSpace(c):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			continue
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(runes):
			word.WriteRune(c)
			i++
			c = runes[i]
		}
		inWord = true
		word.WriteRune(c)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// expand takes the quotes off a word and puts in variables: $NAME, ${NAME},
// ${NAME:-word} and ${NAME:+word}. (moby buildkit dockerfile/shell.)
func expand(word string, env []string) (string, error) {
	x := &expansion{left: []rune(word), env: env}
	s, err := x.until(0)
	if err != nil {
		return "", fmt.Errorf("%q: %w", word, err)
	}
	return s, nil
}

// expansion is the rest of a word that is being read.
type expansion struct {
	left []rune
	env  []string
}

func (x *expansion) next() rune {
	if len(x.left) == 0 {
		return 0
	}
	c := x.left[0]
	x.left = x.left[1:]
	return c
}

func (x *expansion) peek() rune {
	if len(x.left) == 0 {
		return 0
	}
	return x.left[0]
}

// until reads up to a character, which it takes, or with 0 to the end.
func (x *expansion) until(stop rune) (string, error) {
	var out strings.Builder
	for len(x.left) > 0 {
		c := x.next()
		var s string
		var err error
		switch {
		case stop != 0 && c == stop:
			return out.String(), nil
		case c == '\'':
			s, err = x.single()
		case c == '"':
			s, err = x.double()
		case c == '$':
			s, err = x.variable()
		case c == '\\':
			if len(x.left) > 0 {
				s = string(x.next())
			}
		default:
			s = string(c)
		}
		if err != nil {
			return "", err
		}
		out.WriteString(s)
	}
	if stop != 0 {
		return "", fmt.Errorf("there is no %q at its end", stop)
	}
	return out.String(), nil
}

func (x *expansion) single() (string, error) {
	for i, c := range x.left {
		if c == '\'' {
			s := string(x.left[:i])
			x.left = x.left[i+1:]
			return s, nil
		}
	}
	return "", errors.New("a single quote is not closed")
}

func (x *expansion) double() (string, error) {
	var out strings.Builder
	for len(x.left) > 0 {
		switch c := x.next(); c {
		case '"':
			return out.String(), nil
		case '$':
			s, err := x.variable()
			if err != nil {
				return "", err
			}
			out.WriteString(s)
		case '\\':
			if n := x.peek(); n != '"' && n != '$' && n != '\\' {
				out.WriteRune(c)
			} else {
				out.WriteRune(x.next())
			}
		default:
			out.WriteRune(c)
		}
	}
	return "", errors.New("a double quote is not closed")
}

// variable is what follows a dollar sign.
func (x *expansion) variable() (string, error) {
	if x.peek() != '{' {
		name := x.name()
		if name == "" {
			return "$", nil
		}
		return x.value(name), nil
	}
	x.next()
	name := x.name()
	if name == "" {
		return "", errors.New("a variable has no name")
	}
	switch x.next() {
	case '}':
		return x.value(name), nil
	case ':':
		how := x.next()
		word, err := x.until('}')
		if err != nil {
			return "", err
		}
		value := x.value(name)
		switch {
		case how == '-' && value == "", how == '+' && value != "":
			return word, nil
		case how == '-', how == '+':
			return value, nil
		}
		return "", fmt.Errorf("after the name of a variable only ':-' and ':+' may stand, not %q", ":"+string(how))
	}
	return "", errors.New("a brace after a dollar sign is not closed")
}

// name reads the name of a variable, as long as it can be one.
func (x *expansion) name() string {
	n := 0
	for n < len(x.left) {
		c := x.left[n]
		if c != '_' && !unicode.IsLetter(c) && (n == 0 || !unicode.IsDigit(c)) {
			break
		}
		n++
	}
	s := string(x.left[:n])
	x.left = x.left[n:]
	return s
}

func (x *expansion) value(name string) string {
	for _, v := range x.env {
		if key, value, _ := strings.Cut(v, "="); key == name {
			return value
		}
	}
	return ""
}
