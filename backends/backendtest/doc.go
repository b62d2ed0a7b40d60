// Package backendtest holds the tests that every backend passes.
//
// # Writing a backend
//
// A backend is one package with three things:
//
//   - an init function that calls backends.Register, so that a blank import is all a program needs;
//   - a backends.Backend, whose Compile turns a graph.Step into what the library beneath can run;
//   - a backends.Program, which owns the weights and runs Step and Embed.
//
// Compile needs no knowledge of the model. graph.Graph.Reach lists the nodes that a result needs, in an order in
// which they can be computed; the comment of the constructor of each operation in package graph says what it means,
// and package reference, some 900 lines, shows a whole backend. A step is computed from the values before it: write
// what Step.Updates say only when all of it is known, so that an error or a cancelled context leaves the weights as
// they were. backends.Match does the checks of Load, and pipeline.Views reads a record.
//
// Then run the suite:
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, func(t *testing.T) backends.Backend {
//			b, err := backends.Open(t.Context(), "mine", backends.Options{})
//			if err != nil {
//				t.Skip(err) // say what is missing
//			}
//			return b
//		}, backendtest.Options{})
//	}
//
// # What it tests
//
// Group Operations computes each operation on random tensors of several shapes and compares the result with that of
// package reference. A program shows nothing but its weights, so each case is a step whose operands are weights, and
// whose updates copy the result into a weight that Save returns. Start with go test -run
// 'TestConformance/Operations/Conv$'.
//
// The other groups take a small residual network through everything that a Program promises: gradients and training
// steps agree with reference, a fixed batch is learned, equal steps give equal bits, saved weights continue to the
// bit, features depend on their own image only, wrong batches and weights are errors that change nothing, and records
// are not held after a call.
//
// Group Chunks is for Backward, Gradients, SetGradients and Update. A backend may answer backends.ErrUnsupported to all
// of them and to Embed in mode Train; one that has them finds in graph.Step.Divide what to compute when.
package backendtest
