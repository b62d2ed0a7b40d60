package main

import (
	"context"
	"fmt"
)

// childWord makes this program one of its own processes.
const childWord = "child"

// child does the work of a process that may crash, hang or be killed.
func child(args []string) error {
	ctx := context.Background()
	switch {
	case len(args) == 4 && args[0] == "read":
		return readChild(ctx, args[1], args[2], args[3])
	case len(args) == 5 && args[0] == "mutate":
		return mutateChild(ctx, args[1], args[2], args[3], args[4])
	}
	return fmt.Errorf("no such process: %q", args)
}
