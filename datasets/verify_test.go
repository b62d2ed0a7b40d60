package datasets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// An awayBucket is a folder in a store that goes away when an object is opened.
type awayBucket struct {
	localBucket
	at     string
	opened *[]string
}

func (b awayBucket) Open(ctx context.Context, name string) (Object, error) {
	*b.opened = append(*b.opened, name)
	if name == b.at {
		return nil, &pipeline.SourceError{Err: errors.New("the store is away")}
	}
	return b.localBucket.Open(ctx, name)
}

// TestVerifyOfAStoreThatGoesAway: nothing is called damaged that could not be fetched, and what comes after it is not waited for. What was found
// before is told.
func TestVerifyOfAStoreThatGoesAway(t *testing.T) {
	dir := makeShards(t)
	var opened []string
	RegisterScheme("away", func(_ context.Context, url string) (Bucket, error) {
		return awayBucket{localBucket{strings.TrimPrefix(url, "away://")}, "shard-00001.arrow", &opened}, nil
	})
	t.Cleanup(func() {
		schemes.Lock()
		defer schemes.Unlock()
		delete(schemes.open, "away")
	})
	_, err := Verify(t.Context(), "away://"+dir, nil)
	if !failsWhole(err) || strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "shard-00001.arrow: the store is away") {
		t.Errorf("error %v", err)
	}
	if want := []string{manifestName, "shard-00000.arrow", "shard-00001.arrow"}; !slices.Equal(opened, want) {
		t.Errorf("opened %v, want %v", opened, want)
	}
	if err := os.Truncate(filepath.Join(dir, "shard-00000.arrow"), 700); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(t.Context(), "away://"+dir, nil)
	if !failsWhole(err) || !strings.Contains(err.Error(), "shard-00000.arrow: 700 bytes, not") {
		t.Errorf("error %v", err)
	}
}
