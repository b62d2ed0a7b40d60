// Package onnx runs steps on ONNX Runtime.
//
// ONNX Runtime has no training interface any more, so a step becomes one ordinary model of standard operators: tensors,
// learning rate and views go in; metrics and the tensors' new values come out. Encoding to features is a second model
// over the same tensors, the projection a third.
//
// A program holds each tensor that a step changes twice and alternates: what a run reads it never writes. Handing ONNX
// Runtime one buffer as both input and output gives wrong results without an error.
//
// On a device "cuda:N", or another execution provider that Options name, the same model runs there as far as the provider goes, and
// on the CPU where it does not. Tensors stay in the CPU's memory: each step copies them there and back. Before it is used, a
// provider has to take one step of a tiny network as the CPU does.
//
// The shared library is loaded when the first backend is opened, see FindLibrary, and unloaded when the last is closed.
package onnx
