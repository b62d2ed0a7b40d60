//go:build !nocloud

package cli

import _ "github.com/goclr/goclr/datasets/blob" // datasets by URL, in every command
