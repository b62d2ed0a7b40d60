// Command ingest writes images of any origin as checked shards, which training reads fastest, and looks into data sets.
//
//	ingest -in SRC -out DIR
//	ingest merge -out DIR PART...
//	ingest verify DIR
//	ingest stat SRC
//	ingest near SRC
//	ingest cat SRC KEY
//	ingest look QUARANTINE
package main

import (
	"context"
	"strings"

	"github.com/goclr/goclr/cmd/internal/cli"
)

func main() { cli.Main("ingest", run) }

// commands are what the first word may ask for, besides writing shards.
var commands = []struct {
	name string
	run  func(ctx context.Context, args []string) error
}{
	{"merge", merge},
	{"verify", verify},
	{"stat", stat},
	{"near", nearDuplicates},
	{"cat", cat},
	{"look", look},
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		for _, c := range commands {
			if c.name == args[0] {
				return c.run(ctx, args[1:])
			}
		}
	}
	return ingest(ctx, args)
}

// unexpected is the error of a word that is no command, where one was looked for.
func unexpected(word string) error {
	var names []string
	for _, c := range commands {
		if c.name == word {
			return cli.Usagef("%q comes first, and its flags behind it: ingest %s ...", word, word)
		}
		names = append(names, c.name)
	}
	if near, ok := cli.Nearest(word, names); ok {
		return cli.Usagef("unknown command %q; did you mean %q?", word, near)
	}
	return cli.Usagef("unexpected argument %q; the images go after -in, a pattern in quotes", word)
}
