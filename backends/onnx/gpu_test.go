package onnx

import (
	"testing"
	"testing/fstest"

	"github.com/goclr/goclr/backends"
)

func TestGPUNames(t *testing.T) {
	const h100 = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 51\nGPU UUID: \t GPU-0\n"
	driver := fstest.MapFS{
		"version":                           {Data: []byte("NVRM version: 580\n")},
		"gpus/0000:1a:00.0/information":     {Data: []byte(h100)},
		"gpus/0000:3b:00.0/information":     {Data: []byte("Model: \t\t NVIDIA A100\n")},
		"gpus/0000:5e:00.0/information":     {Data: []byte(h100)},
		"capabilities/gpu0/mig/information": {Data: []byte("Model: other\n")},
	}
	if got := gpuNames(driver); got != "NVIDIA A100, NVIDIA H100 80GB HBM3" {
		t.Errorf("the GPUs are %q", got)
	}
	if got := gpuNames(fstest.MapFS{}); got != "" {
		t.Errorf("without a driver there is %q", got)
	}
	p, err := newProvider(backends.Options{Device: "cuda"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.info(driver), p.String()+" on NVIDIA A100, NVIDIA H100 80GB HBM3"; got != want {
		t.Errorf("Info says %q, want %q", got, want)
	}
	if got := (provider{device: "cpu"}).info(driver); got != "" {
		t.Errorf("on the CPU Info says %q", got)
	}
}
