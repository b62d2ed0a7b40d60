package cli

import (
	"maps"
	"strings"
	"testing"
)

func TestBackendFlags(t *testing.T) {
	var b Backend
	f := NewFlags("try", "Try tries.")
	b.AddTo(f)
	err := f.Parse([]string{
		"-device", "cuda:1", "-provider-option", "use_tf32=0", "-provider-option", "gpu_mem_limit=8=9", "-spin", "-threads", "3", "-deterministic=false",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"use_tf32": "0", "gpu_mem_limit": "8=9"}
	if o := b.Options; o.Device != "cuda:1" || !o.Spin || o.Threads != 3 || !o.AnyOrder || !maps.Equal(o.ProviderOptions, want) {
		t.Errorf("options are %+v", o)
	}

	// A resumed run takes them over, unless it says others.
	var again Backend
	g := NewFlags("try", "Try tries.")
	again.AddTo(g)
	if err := g.SetOthers(f.Settings()); err != nil {
		t.Fatal(err)
	}
	if o := again.Options; o.Device != "cuda:1" || !o.Spin || !o.AnyOrder || !maps.Equal(o.ProviderOptions, want) {
		t.Errorf("taken over are %+v", o)
	}
	var other Backend
	h := NewFlags("try", "Try tries.")
	other.AddTo(h)
	if err := h.Parse([]string{"-device", "cpu", "-provider-option", "", "-deterministic"}); err != nil {
		t.Fatal(err)
	}
	if err := h.SetOthers(f.Settings()); err != nil || other.Options.Device != "cpu" || other.Options.AnyOrder || len(other.Options.ProviderOptions) > 0 {
		t.Errorf("replaced are %+v (%v)", other.Options, err)
	}
}

func TestBackendFlagErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-provider-option", "use_tf32"}, "-provider-option: want key=value"},
		{[]string{"-provider-option", "=0"}, "-provider-option: want key=value"},
		{[]string{"-provider-option", "a=1", "-provider-option", "a=2"}, "-provider-option: a is given twice"},
		{[]string{"-deterministic=perhaps"}, "-deterministic: want true or false"},
	} {
		var b Backend
		f := NewFlags("try", "Try tries.")
		b.AddTo(f)
		err := f.Parse(c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.args, err, c.want)
		}
	}
}
