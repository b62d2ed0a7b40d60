// Package pipeline turns a Source of encoded images and a chain of Stages into a deterministic stream of Arrow record
// batches of paired views.
//
// Batch n is a pure function of (source, stages, seed, n). The number of workers, timing, and where the run was resumed
// do not change a byte of it. So a run resumes by starting at its step, and each rank of a distributed run makes its own
// rows without talking to the others.
//
//   - The order of an epoch is a keyed permutation evaluated at one index; with Options.Window it keeps to a part of the source at a time.
//   - A random number is a function of (seed, stage name, view, sample id, epoch, draw).
//   - A bad sample is replaced by the first good image of a list that only its row has.
//
// New checks everything and runs nothing; goroutines and memory belong to a loop over Pipeline.Batches and end with it.
// A worker runs the whole chain on one sample and writes its views into its row of the record, so there is no queue
// between stages and nothing to put back in order. The engine costs 1 to 2 us a sample, one copy of the decoded image
// where there is a Pair, and one of each view.
//
// A record has the columns id (uint64), label (int32, -1: none) and views (TensorType of uint8 [V,H,W,C]). The functions
// IDs, Labels and Views read it without a copy; they are all that a backend needs of this package.
package pipeline
