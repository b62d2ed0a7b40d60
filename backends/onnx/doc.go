// Package onnx runs steps on ONNX Runtime.
//
// ONNX Runtime has no training interface any more, so a step becomes one ordinary model of standard operators: tensors,
// learning rate and views go in; metrics and the tensors' new values come out. Encoding to features is a second model
// over the same tensors, the projection a third.
//
// A program holds each tensor that a step changes twice and alternates: what a run reads it never writes. Handing ONNX
// Runtime one buffer as both input and output gives wrong results without an error.
//
// The shared library is loaded when the first backend is opened, see FindLibrary, and unloaded when the last is closed.
package onnx
