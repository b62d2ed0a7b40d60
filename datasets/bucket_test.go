package datasets

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// A shrunkObject has become shorter since it was opened.
type shrunkObject struct{ Object }

func (o shrunkObject) Size() int64 { return o.Object.Size() + 100 }

// TestShrunkObject: what an object does not have any more is not made up.
func TestShrunkObject(t *testing.T) {
	o := shrunkObject{memoryObject{bytes.NewReader([]byte("content"))}}
	if b, err := readContent(t.Context(), o, "x", 1000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("its content: %q, %v", b, err)
	}
	b := make([]byte, 50)
	if n, err := readAhead(o).ReadAt(t.Context(), b, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read ahead: %q, %v", b[:n], err)
	}
	if err := copyObject(t.Context(), o, o.Size(), func([]byte, int64) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("copied: %v", err)
	}
	if copied, err := nearby(t.Context(), o, Options{TempDir: t.TempDir()}); err != nil || copied != Object(o) {
		t.Errorf("copied as an archive: %v, %v", copied, err)
	}
}
