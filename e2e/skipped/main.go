// Command skipped reads what `go tool test2json` makes of a test's output and
// fails if a test was left out for a reason that does not match its argument.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

func main() {
	may := regexp.MustCompile(os.Args[1])
	said := map[string]string{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	allowed, bad := 0, 0
	for in.Scan() {
		var e struct{ Action, Test, Output string }
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			fmt.Fprintln(os.Stderr, "skipped:", err)
			os.Exit(2)
		}
		switch {
		case e.Action == "output" && strings.Contains(e.Output, "_test.go:"):
			said[e.Test] = strings.TrimSpace(e.Output)
		case e.Action == "skip" && may.MatchString(said[e.Test]):
			allowed++
		case e.Action == "skip":
			bad++
			fmt.Printf("%s was left out: %s\n", e.Test, said[e.Test])
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "skipped:", err)
		os.Exit(2)
	}
	fmt.Printf("%d tests were left out that take root\n", allowed)
	if bad > 0 {
		os.Exit(1)
	}
}
