package pipeline

import (
	"context"
	"testing"
)

// The known answers of philox4x64-10 published with Random123 (kat_vectors).
func TestPhiloxKnownAnswers(t *testing.T) {
	const ones = ^uint64(0)
	for _, c := range []struct {
		name string
		ctr  [4]uint64
		key  [2]uint64
		want [4]uint64
	}{
		{
			"zeros", [4]uint64{}, [2]uint64{},
			[4]uint64{0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b},
		},
		{
			"ones", [4]uint64{ones, ones, ones, ones}, [2]uint64{ones, ones},
			[4]uint64{0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0},
		},
		{
			"digits of pi",
			[4]uint64{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89},
			[2]uint64{0x452821e638d01377, 0xbe5466cf34e90c6c},
			[4]uint64{0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6},
		},
	} {
		if got := philox4x64(c.ctr, c.key); got != c.want {
			t.Errorf("%s: got %x, want %x", c.name, got, c.want)
		}
	}
}

// Each field of a key alone makes another sequence, and the same key the same one.
func TestKeysAreIndependent(t *testing.T) {
	base := Key{Seed: 1, Stage: "Flip", Epoch: 2, ID: 3, View: 1}
	first := base.Rand().Uint64()
	if got := NewSample(context.Background(), base).Rand.Uint64(); got != first {
		t.Errorf("NewSample draws %x, Key.Rand %x", got, first)
	}
	seen := map[uint64]Key{first: base}
	for _, change := range []func(*Key){
		func(k *Key) { k.Seed++ }, func(k *Key) { k.Stage = "Flip#2" }, func(k *Key) { k.Epoch++ },
		func(k *Key) { k.ID++ }, func(k *Key) { k.View++ },
	} {
		k := base
		change(&k)
		v := k.Rand().Uint64()
		if other, ok := seen[v]; ok {
			t.Errorf("%+v and %+v draw the same number", k, other)
		}
		seen[v] = k
	}
}

// A sequence goes on past one block of four numbers without repeating it.
func TestSequenceGoesOn(t *testing.T) {
	r := Key{Stage: "Flip"}.Rand()
	seen := map[uint64]bool{}
	for range 1000 {
		seen[r.Uint64()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 draws gave %d different numbers", len(seen))
	}
}
