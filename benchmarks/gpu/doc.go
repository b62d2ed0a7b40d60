// Package gpu holds scripts that measure goclr on a machine with an NVIDIA GPU: see README.md.
package gpu
