// Package onnx runs steps on ONNX Runtime.
//
// ONNX Runtime has no training interface any more, so a step becomes one ordinary model: tensors, learning rate, views and labels
// go in; metrics and the tensors' new values come out. Encoding to features is a second model over the same tensors, the
// projection a third; a step in parts (backends.Program.Backward) takes two more, compiled when it is first asked for.
//
// On the CPU, what takes the time of a step is computed by operators of goclr's own, in the domain "goclr": convolutions, batch
// normalisation, pooling and SGD, over blocks of channels, see package kernel. All else is left to the operators of the standard,
// which also do everything where Options ask for that, on other devices, in exported models, and on a machine where goclr's
// operators fail their trial.
//
// A program holds each tensor that a step changes twice and alternates: what a run reads it never writes. Handing ONNX
// Runtime one buffer as both input and output gives wrong results without an error.
//
// On a device "cuda:N", or another execution provider that Options name, the model runs there as far as the provider goes, and on
// the CPU where it does not. Tensors stay in the CPU's memory: each step copies them there and back.
//
// When a backend is opened, goclr's operators or the provider have to take one step of a tiny network as the standard operators on
// the CPU do. Where they do not, goclr's operators are left out with a warning, and the provider is an error.
//
// The shared library is loaded when the first backend is opened, see FindLibrary, and unloaded when the last is closed.
package onnx
