package cache_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/goclr/goclr/datasets/internal/cache"
	"github.com/goclr/goclr/datasets/internal/retry"
)

// A shard is read through the cache, with its SHA-256 checked and its download tried again where it breaks off.
func ExampleCache_Get() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	remote := "the bytes of a shard"
	want := sha256.Sum256([]byte(remote))

	ctx := context.Background()
	c, err := cache.Open(ctx, cache.Options{Dir: dir, Limit: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	shard := cache.Object{ID: "s3://bucket/shard-00000.arrow 5d41402a", Size: int64(len(remote)), Check: func(content io.Reader) error {
		h := sha256.New()
		if _, err := io.Copy(h, content); err != nil {
			return err
		}
		if got := [sha256.Size]byte(h.Sum(nil)); got != want {
			return fmt.Errorf("its SHA-256 is %x, not %x", got, want)
		}
		return nil
	}}
	fetch := func(ctx context.Context, w io.WriterAt) error {
		return retry.Do(ctx, retry.Policy{}, func(context.Context) error {
			fmt.Println("download")
			_, err := io.Copy(io.NewOffsetWriter(w, 0), strings.NewReader(remote))
			return err
		})
	}
	for range 2 {
		f, err := c.Get(ctx, shard, fetch)
		if err != nil {
			log.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := f.ReadAt(b, 4); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", b)
		if err := f.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// download
	// bytes
	// bytes
}
