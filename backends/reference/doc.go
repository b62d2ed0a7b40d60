// Package reference is the backend "reference": it interprets a step node by node in float64 and plain Go, with one
// function for each operation, written straight from the comment of the operation's constructor in package graph.
//
// It is the oracle that package backendtest holds other backends against, and it trains where no library is
// installed. It is slow: about two seconds for one image of 32 by 32 pixels through a ResNet-18 and back. Import it
// for its registration:
//
//	import _ "github.com/goclr/goclr/backends/reference"
package reference
