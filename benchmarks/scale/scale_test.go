package main

import (
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/goclr/goclr/datasets"
	_ "github.com/goclr/goclr/datasets/blob"
	"github.com/goclr/goclr/pipeline"
)

// images reads all images of a dataset, by key.
func images(t *testing.T, spec string) map[string]string {
	t.Helper()
	d, err := datasets.Open(t.Context(), spec, datasets.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	found := map[string]string{}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i := range d.Len() {
		if err := d.Read(t.Context(), i, s); err != nil {
			t.Fatal(err)
		}
		found[s.Key] = d.Classes()[s.Label] + string(s.Bytes)
	}
	return found
}

// TestForms: the archive and the store have the same images, of which one in a thousand is a copy.
func TestForms(t *testing.T) {
	const n = 3500
	c, err := newCollection()
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "images.tar")
	if err := c.writeArchive(t.Context(), archive, n); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&store{collection: c, images: n})
	defer server.Close()
	for _, v := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(v, "x")
	}
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	there, here := images(t, "s3://bucket/photos"), images(t, archive)
	if len(there) != n || len(here) != n {
		t.Fatalf("%d images in the store, %d in the archive", len(there), len(here))
	}
	contents := map[string]bool{}
	for key, image := range here {
		if there[key] != image {
			t.Fatalf("%s is another in the store", key)
		}
		contents[image[len("class-000"):]] = true
	}
	if len(contents) != n-n/copyEvery {
		t.Errorf("%d different images", len(contents))
	}
}
