package datasets

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sizeOf reads images that are lines such as "300 x 200 of anything".
func sizeOf(b []byte) (w, h int, err error) {
	if _, err := fmt.Sscanf(string(b), "%d x %d", &w, &h); err != nil {
		return 0, 0, fmt.Errorf("not an image: %w", err)
	}
	return w, h, nil
}

// shrinkLine is a Reencoding.Shrink for such images. It fails where they say so.
func shrinkLine(b []byte, maxSide, quality int) ([]byte, error) {
	w, h, err := sizeOf(b)
	switch kind := string(b); {
	case err != nil:
		return nil, err
	case strings.HasSuffix(kind, "odd"):
		return nil, errors.New("an odd file")
	case strings.HasSuffix(kind, "stubborn"):
		return b, nil
	case strings.HasSuffix(kind, "lost"):
		return []byte("nothing"), nil
	}
	long := max(w, h)
	return fmt.Appendf(nil, "%d x %d q%d", w*maxSide/long, h*maxSide/long, quality), nil
}

func lines(list ...string) []picture {
	p := make([]picture, len(list))
	for i, line := range list {
		p[i] = picture{key: fmt.Sprintf("class%d/%d.jpg", i%2, i), bytes: line}
	}
	return p
}

func TestReencode(t *testing.T) {
	list := lines("300 x 200 wide", "200 x 401 tall", "100 x 100 exact", "101 x 20 just above", "3 x 2 tiny")
	want := map[string]string{"class0/0.jpg": "100 x 66 q80", "class1/1.jpg": "49 x 100 q80", "class0/2.jpg": "100 x 100 exact",
		"class1/3.jpg": "100 x 19 q80", "class0/4.jpg": "3 x 2 tiny"}
	var first map[string]string
	for _, workers := range []int{1, 7} {
		dir := filepath.Join(t.TempDir(), "shards")
		sum, err := Ingest(t.Context(), tarDataset(t, list), dir, IngestOptions{Check: sizeOf, Workers: workers,
			Reencode: &Reencoding{MaxSide: 100, Quality: 80, Encoder: "lines 1.0", Shrink: shrinkLine}})
		if err != nil {
			t.Fatal(err)
		}
		if want := (Reencoded{Images: 3, BytesBefore: 14 + 14 + 19, BytesAfter: 3 * 12}); sum.Reencoded != want {
			t.Errorf("summary %+v, want %+v", sum.Reencoded, want)
		}
		d := openSpec(t, dir)
		columns := d.(*shards).batches[0].columns
		for i, p := range pictures(t, d) {
			if p.bytes != want[p.key] {
				t.Errorf("%s is stored as %q, want %q", p.key, p.bytes, want[p.key])
			}
			size := fmt.Sprintf("%d x %d", columns[columnWidth].u32(i), columns[columnHeight].u32(i))
			if !strings.HasPrefix(p.bytes, size) {
				t.Errorf("the columns say %s of %q", size, p.bytes)
			}
		}
		files := tree(t, dir)
		const record = `"reencoding": {
    "max_side": 100,
    "quality": 80,
    "encoder": "lines 1.0",
    "images": 3,
    "bytes_before": 47,
    "bytes_after": 36
  },`
		if !strings.Contains(files[manifestName], record) {
			t.Errorf("manifest %s", files[manifestName])
		}
		if _, err := Verify(t.Context(), dir, nil); err != nil {
			t.Error(err)
		}
		if first == nil {
			first = files
		} else if !sameTree(first, files) {
			t.Errorf("%d workers wrote other bytes", workers)
		}
	}
}

// TestReencodeFingerprint: shards are known by the bytes that they store, so a choice that changes none changes nothing.
func TestReencodeFingerprint(t *testing.T) {
	src := tarDataset(t, lines("300 x 200", "90 x 80"))
	fingerprint := func(r *Reencoding) string {
		dir := filepath.Join(t.TempDir(), "shards")
		if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: sizeOf, Reencode: r}); err != nil {
			t.Fatal(err)
		}
		return openSpec(t, dir).Fingerprint()
	}
	choice := func(maxSide, quality int) *Reencoding {
		return &Reencoding{MaxSide: maxSide, Quality: quality, Encoder: "lines 1.0", Shrink: shrinkLine}
	}
	plain := fingerprint(nil)
	seen := map[string]bool{plain: true}
	for _, c := range []*Reencoding{choice(100, 80), choice(100, 81), choice(99, 80)} {
		if f := fingerprint(c); seen[f] {
			t.Errorf("MaxSide %d, quality %d: a fingerprint seen before", c.MaxSide, c.Quality)
		} else {
			seen[f] = true
		}
	}
	if fingerprint(choice(300, 80)) != plain {
		t.Error("the same bytes have another fingerprint")
	}
}

// TestReencodeBad: what cannot be re-encoded goes to the quarantine as it came, with the reason.
func TestReencodeBad(t *testing.T) {
	list := lines("300 x 200", "300 x 200 odd", "300 x 200 stubborn", "300 x 200 lost", "no size")
	dir := filepath.Join(t.TempDir(), "shards")
	sum, err := Ingest(t.Context(), tarDataset(t, list), dir, IngestOptions{Check: sizeOf, MaxBad: 1,
		Reencode: &Reencoding{MaxSide: 100, Quality: 80, Encoder: "lines 1.0", Shrink: shrinkLine}})
	if err != nil || sum.Bad != 4 || sum.Reencoded.Images != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	bad := quarantined(t, dir)
	if len(bad) != 4 {
		t.Fatalf("%+v", bad)
	}
	slices.SortFunc(bad, func(a, b BadImage) int { return cmp.Compare(a.ID, b.ID) })
	for i, want := range []string{"cannot re-encode its 300 x 200 pixels: an odd file",
		"re-encoded, it has 300 x 200 pixels still", "re-encoded, it cannot be decoded: not an image", "not an image"} {
		if !strings.HasPrefix(bad[i].Reason, want) {
			t.Errorf("reason %q, want %q", bad[i].Reason, want)
		}
		if string(bad[i].Bytes) != list[i+1].bytes {
			t.Errorf("%s is %q, want the image as it came", bad[i].Key, bad[i].Bytes)
		}
		if stage := bad[i].Stage; (stage == StageReencode) != (i < 3) || stage != StageReencode && stage != StageDecode {
			t.Errorf("%s failed at %s", bad[i].Key, stage)
		}
	}
}

func TestReencodingOptions(t *testing.T) {
	src := tarDataset(t, lines("300 x 200"))
	dir := filepath.Join(t.TempDir(), "shards")
	for _, r := range []Reencoding{
		{},
		{MaxSide: 0, Quality: 80, Encoder: "lines 1.0", Shrink: shrinkLine},
		{MaxSide: 9, Quality: 0, Encoder: "lines 1.0", Shrink: shrinkLine},
		{MaxSide: 9, Quality: 101, Encoder: "lines 1.0", Shrink: shrinkLine},
		{MaxSide: 9, Quality: 80, Shrink: shrinkLine},
		{MaxSide: 9, Quality: 80, Encoder: "lines 1.0"},
	} {
		_, err := Ingest(t.Context(), src, dir, IngestOptions{Check: sizeOf, Reencode: &r})
		if err == nil || !strings.Contains(err.Error(), "Reencoding.") || !missing(dir) {
			t.Errorf("%+v: error %v", r, err)
		}
	}
}

// TestExistingShards: whoever repeats an ingest with another choice is told what stands there.
func TestExistingShards(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shards")
	src := tarDataset(t, lines("300 x 200", "90 x 80"))
	reencode := IngestOptions{Check: sizeOf, Replace: true,
		Reencode: &Reencoding{MaxSide: 100, Quality: 80, Encoder: "lines 1.0", Shrink: shrinkLine}}
	for _, c := range []struct {
		o    IngestOptions
		says string
	}{
		{IngestOptions{Check: sizeOf}, "with 2 images as they were"},
		{reencode, "with 2 images, 1 re-encoded by -max-side 100 -quality 80"},
	} {
		if _, err := Ingest(t.Context(), src, dir, c.o); err != nil {
			t.Fatal(err)
		}
		_, err := Ingest(t.Context(), src, dir, IngestOptions{Check: sizeOf})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "-force") {
			t.Errorf("error %v, want %q", err, c.says)
		}
	}
}

// TestPlainIngestGolden pins what is written where nothing is re-encoded.
func TestPlainIngestGolden(t *testing.T) {
	m, err := readManifest(makeShards(t)) // which has the checksums of all other files
	if err != nil {
		t.Fatal(err)
	}
	const want = "c1ff1347002064119b03becf8239a33cd20cdf78efe4ee750c912b6239d38163"
	if m.SHA256 != want {
		t.Errorf("SHA-256 %s, want %s", m.SHA256, want)
	}
}

// TestLaterManifest: fields that a reader does not know only tell more, and are passed over.
func TestLaterManifest(t *testing.T) {
	dir := makeShards(t)
	file := filepath.Join(dir, manifestName)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte(`"source"`), []byte(`"later": {"images": 3}, "source"`), 1)
	sum := b[len(b)-len("\"\n}\n")-len(zeroSum):]
	copy(sum, zeroSum)
	right := sha256.Sum256(b)
	hex.Encode(sum, right[:])
	writeTemp(t, dir, manifestName, b)
	if _, err := Verify(t.Context(), dir, nil); err != nil {
		t.Error(err)
	}
}
