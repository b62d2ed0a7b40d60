package datasets

import (
	"errors"
	"path/filepath"
	"testing"
)

// TestMaxBadOfParts has -max-bad be a share of the images of each part, rounded down, so that parts within it make a whole that is.
func TestMaxBadOfParts(t *testing.T) {
	const parts, share = 5, 0.2
	list := manyMembers(100, 0)
	for i := range 18 {
		list[5*i].bytes = "bad"
	}
	ingest := func(part int, maxBad float64) (Summary, error) {
		return Ingest(t.Context(), tarDataset(t, list), filepath.Join(t.TempDir(), "part"),
			IngestOptions{Check: refuse, MaxBad: maxBad, ShardBytes: 9000, Part: part, Parts: parts})
	}
	var failed, passed int
	for part := range parts {
		all, err := ingest(part+1, 1)
		if err != nil {
			t.Fatal(err)
		}
		images := all.Images + all.Bad
		allowed := int(float64(images)*share + 1e-6)
		_, err = ingest(part+1, share)
		var tooMany *TooManyBadError
		if errors.As(err, &tooMany) != (all.Bad > allowed) || tooMany != nil && (tooMany.Allowed != allowed || tooMany.Total != images) {
			t.Errorf("part %d, with %d bad of %d: %v", part+1, all.Bad, images, err)
		}
		if err != nil {
			failed++
		} else {
			passed++
		}
	}
	if failed == 0 || passed == 0 {
		t.Fatalf("%d parts failed, %d passed: choose other images", failed, passed)
	}
}
