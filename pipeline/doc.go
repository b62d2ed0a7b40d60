// Package pipeline turns a Source of encoded images and a chain of Stages into a deterministic stream of Arrow record
// batches of paired views.
//
// Batch n is a pure function of (source, stages, seed, n). The number of workers, timing, and where the run was resumed do
// not change a byte of it.
package pipeline
