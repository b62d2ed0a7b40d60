package main

import (
	"slices"
	"strings"

	"github.com/goclr/goclr/cmd/internal/cli"
)

// localOnly refuses URLs to a command that reads files of this machine only.
func localOnly(command string, names ...string) error {
	if i := slices.IndexFunc(names, isURL); i >= 0 {
		return cli.Usagef("%s reads files of this machine: copy %s here first, as by aws s3 cp --recursive", command, names[i])
	}
	return nil
}

// isURL reports whether a name is that of something in a store.
func isURL(name string) bool { return strings.Contains(name, "://") }
