package exact

import (
	"math"
	"testing"
)

func TestAgreesWithMath(t *testing.T) {
	for x := -30.0; x < 30; x += 0.0137 {
		if got, want := Exp(x), math.Exp(x); math.Abs(got-want) > 5e-16*want {
			t.Fatalf("Exp(%g) = %g, want %g", x, got, want)
		}
	}
	for x := 0.01; x < 100; x *= 1.0137 {
		if got, want := Log(x), math.Log(x); math.Abs(got-want) > 5e-16*(1+math.Abs(want)) {
			t.Fatalf("Log(%g) = %g, want %g", x, got, want)
		}
	}
}

// The bits are part of what a seed promises: these were computed once and must come out on every machine.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		name string
		got  float64
		want uint64
	}{
		{"Exp(-0.287)", Exp(-0.287), 0x3fe804312c53d3fc},
		{"Exp(3.3)", Exp(3.3), 0x403b1cd5e7807b7b},
		{"Log(0.75)", Log(0.75), 0xbfd269621134db92},
		{"Log(4/3)", Log(4.0 / 3), 0x3fd269621134db92},
	} {
		if math.Float64bits(c.got) != c.want {
			t.Errorf("%s has bits %#x, want %#x", c.name, math.Float64bits(c.got), c.want)
		}
	}
}
