// Command ingest writes images of any origin as checked shards, which training reads fastest, and verifies shards.
//
//	ingest -in SRC -out DIR
//	ingest verify DIR
package main

import "github.com/goclr/goclr/cmd/internal/cli"

func main() { cli.Main("ingest", run) }
