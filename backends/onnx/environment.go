package onnx

import (
	"errors"
	"fmt"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// environment is the one ONNX Runtime of the process. Backends and programs hold it; it is unloaded when nobody does.
var environment struct {
	sync.Mutex
	library string
	holders int
}

// telemetryEnv keeps builds of ONNX Runtime that would report their use from doing so, if it is 1.
const telemetryEnv = "ORT_DISABLE_TELEMETRY"

// hold loads the library, or counts one more holder of the one that is loaded. Every success needs one release.
func hold(library string) error {
	environment.Lock()
	defer environment.Unlock()
	if environment.holders > 0 {
		if library != environment.library {
			return fmt.Errorf("cannot load %s: this process already runs ONNX Runtime from %s; close the backends that use it first",
				library, environment.library)
		}
		environment.holders++
		return nil
	}
	if _, set := os.LookupEnv(telemetryEnv); !set {
		if err := os.Setenv(telemetryEnv, "1"); err != nil {
			return err
		}
	}
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return fmt.Errorf("%s cannot serve as ONNX Runtime %s on this machine: run %s, or name another in %s: %w",
			library, LibraryVersion, fetchCommand, LibraryEnv, err)
	}
	if err := shareMemory(); err != nil {
		return errors.Join(fmt.Errorf("set up the memory of ONNX Runtime: %w", err), ort.DestroyEnvironment())
	}
	environment.library = library
	environment.holders = 1
	return nil
}

// shareMemory makes one pool of memory for all sessions, which train and evaluate in turn. It grows in regions that hold some large
// activations each: what is freed next to each other is taken as one, and no region is split so that much of it lies waste. The
// defaults of ONNX Runtime, regions that double and pieces of up to 128 MiB too large, take a third more for a step of ResNet-50.
func shareMemory() error {
	pool, err := ort.NewArenaCfgV2(map[string]int{
		"max_mem":                       0,         // unlimited
		"arena_extend_strategy":         0,         // regions that double,
		"max_power_of_two_extend_bytes": 128 << 20, // but up to this size, unless a tensor is larger
		"initial_chunk_size_bytes":      1 << 20,
		"max_dead_bytes_per_chunk":      1 << 20,
	})
	if err != nil {
		return err
	}
	defer pool.Destroy()
	where, err := ort.GetMemoryInfo()
	if err != nil {
		return err
	}
	return ort.CreateAndRegisterAllocator(where, pool)
}

// release gives up one hold.
func release() error {
	environment.Lock()
	defer environment.Unlock()
	environment.holders--
	if environment.holders > 0 {
		return nil
	}
	if err := ort.DestroyEnvironment(); err != nil {
		return fmt.Errorf("unload ONNX Runtime: %w", err)
	}
	return nil
}
