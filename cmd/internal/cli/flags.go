package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Flags is a flag.FlagSet whose errors help: an unknown flag names the nearest known one. Flags and other arguments may
// come in any order; "--" ends the flags.
type Flags struct {
	*flag.FlagSet
	help string
	args []string
	out  io.Writer // where help goes

	profile profile
}

// NewFlags returns a set of the flags that every command has, -cpuprofile and -trace, for the command called name. The help text comes before the list of flags that -h prints:
// what the command does, its forms, two or three examples. A flag's usage text may quote the name of its value in
// backticks and need not repeat its default.
func NewFlags(name, help string) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), help: help, out: os.Stdout}
	f.FlagSet.SetOutput(io.Discard) // Main prints errors, once
	f.FlagSet.Usage = func() {}
	f.profile.addTo(f)
	return f
}

// Parse reads the arguments and starts the profiles that they ask for. It returns a UsageError for a wrong one, and flag.ErrHelp, which Main takes for success,
// after it has printed the help that -h, -help or --help asks for.
func (f *Flags) Parse(args []string) error {
	if err := f.parse(args); err != nil {
		return err
	}
	return f.profile.start()
}

func (f *Flags) parse(args []string) error {
	for len(args) > 0 {
		if err := f.FlagSet.Parse(args); err != nil {
			return f.explain(err)
		}
		rest := f.FlagSet.Args()
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			f.args = append(f.args, rest...)
			return nil
		}
		if len(rest) == 0 {
			return nil
		}
		f.args = append(f.args, rest[0])
		args = rest[1:]
	}
	return nil
}

// Args returns the arguments that are not flags.
func (f *Flags) Args() []string { return f.args }

// NArg is the number of arguments that are not flags.
func (f *Flags) NArg() int { return len(f.args) }

// Arg returns the i'th argument that is not a flag, or "" where there is none.
func (f *Flags) Arg(i int) string {
	if i < 0 || i >= len(f.args) {
		return ""
	}
	return f.args[i]
}

// Settings are the flags that say what the command does, with their values: all but those about how it runs.
func (f *Flags) Settings() map[string]string {
	values := map[string]string{}
	f.VisitAll(func(g *flag.Flag) {
		if !slices.Contains(ownFlags, g.Name) {
			values[g.Name] = g.Value.String()
		}
	})
	return values
}

// SetOthers sets the flags that are not on the command line to values that Settings gave, passing over names of no flag. An error
// names the flag.
func (f *Flags) SetOthers(values map[string]string) error {
	given := map[string]bool{}
	f.Visit(func(g *flag.Flag) { given[g.Name] = true })
	for name, value := range values {
		if given[name] || f.Lookup(name) == nil {
			continue
		}
		if err := f.Set(name, value); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return nil
}

// Given reports whether the flag was on the command line, whatever its value.
func (f *Flags) Given(name string) bool {
	given := false
	f.Visit(func(g *flag.Flag) { given = given || g.Name == name })
	return given
}

func (f *Flags) explain(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		f.printHelp()
		return err
	}
	unknown, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return &UsageError{err.Error()}
	}
	var known []string
	f.VisitAll(func(g *flag.Flag) { known = append(known, g.Name) })
	if near, ok := Nearest(unknown, known); ok {
		return Usagef("unknown flag -%s; did you mean -%s?", unknown, near)
	}
	return Usagef("unknown flag -%s", unknown)
}

func (f *Flags) printHelp() {
	fmt.Fprintf(f.out, "%s\n\nFlags:\n", strings.TrimSpace(f.help))
	f.FlagSet.SetOutput(f.out)
	f.PrintDefaults()
	f.FlagSet.SetOutput(io.Discard)
}

// Nearest returns the known word that takes the fewest edits (inserted, removed, replaced or swapped letters) to reach
// from word, provided that it resembles it at all: at most a third of its letters, or a prefix. Of equals the first wins.
// Use it for names in values too: encoders, backends, subcommands.
func Nearest(word string, known []string) (string, bool) {
	word = strings.ToLower(word)
	best, bestCost := "", -1
	for _, k := range known {
		lower := strings.ToLower(k)
		cost := edits(word, lower)
		if cost > max(1, max(len(word), len(lower))/3) {
			if len(word) < 2 || !strings.HasPrefix(lower, word) && !strings.HasPrefix(word, lower) {
				continue
			}
			cost += len(lower) // a prefix is a weaker hint than a slip of the finger
		}
		if bestCost < 0 || cost < bestCost {
			best, bestCost = k, cost
		}
	}
	return best, bestCost >= 0
}

// edits is the optimal string alignment distance of two words of ASCII letters.
func edits(a, b string) int {
	row := func() []int { return make([]int, len(b)+1) }
	before, last, this := row(), row(), row()
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		this[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			this[j] = min(replace, last[j]+1, this[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				this[j] = min(this[j], before[j-2]+1)
			}
		}
		before, last, this = last, this, before
	}
	return last[len(b)]
}
