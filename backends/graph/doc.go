// Package graph describes a training step as a graph of about forty coarse tensor operations, with shapes and gradients.
//
// The model is written once, as such a graph; a backend only knows how to run the operations. An operation is coarse where
// fusing is what makes it fast: batch normalisation takes the residual sum and the ReLU with it, the loss is one node.
// Each operation's meaning is given in the comment of its constructor; package reference computes it literally.
//
// Tensors are float32 or wider, but for Labels, dense, row-major; images are [N, C, H, W]. Errors in shapes are errors in the
// program that builds the graph, never in its input, so constructors panic.
package graph
