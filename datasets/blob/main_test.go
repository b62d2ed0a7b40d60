package blob

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/blob/s3test"
	"github.com/goclr/goclr/datasets/internal/retry"
	"github.com/goclr/goclr/pipeline"
)

// TestMain gives the scheme quick to S3 with short pauses, and keeps away what the machine knows of real accounts.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	datasets.RegisterScheme("quick", openQuick)
	goleak.VerifyTestMain(m)
}

// quick waits for a server however slow the machine is: a request that is given up would be counted twice.
var quick = patience{policy: retry.Policy{Attempts: 12, Base: time.Microsecond}, stall: time.Hour}

func openQuick(ctx context.Context, url string) (datasets.Bucket, error) {
	return openPatient(ctx, url, quick)
}

func openPatient(ctx context.Context, url string, p patience) (datasets.Bucket, error) {
	return openWith(ctx, "s3"+strings.TrimPrefix(url, "quick"), p)
}

// A server is one whose URLs are those of the scheme quick.
type server struct{ *s3test.Server }

func newServer(t testing.TB, objects map[string][]byte) server {
	s := server{s3test.New(objects)}
	t.Cleanup(s.Close)
	return s
}

// url names what lies below a prefix, or an object.
func (s server) url(path string) string { return "quick://bucket/" + path + "?endpoint=" + s.URL }

// openBucket opens what lies below a prefix of a server.
func openBucket(t testing.TB, s server, prefix string) datasets.Bucket {
	t.Helper()
	return openBucketFor(t, s, prefix, quick)
}

func openBucketFor(t testing.TB, s server, prefix string, p patience) datasets.Bucket {
	t.Helper()
	b, err := openPatient(t.Context(), s.url(prefix), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func openObject(t testing.TB, b datasets.Bucket, name string) datasets.Object {
	t.Helper()
	o, err := b.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v does not say %q", err, p)
		}
	}
}

// bytesOf returns n bytes that differ from place to place.
func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// content maps keys to labels and bytes.
func content(t testing.TB, spec string) map[string]string {
	t.Helper()
	d, err := datasets.Open(t.Context(), spec, datasets.Options{TempDir: t.TempDir(), CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	all := map[string]string{"classes": fmt.Sprintf("%q", d.Classes())}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i := range d.Len() {
		if err := d.Read(t.Context(), i, s); err != nil {
			t.Fatal(err)
		}
		all[s.Key] = fmt.Sprint(s.Label, " ", string(s.Bytes))
	}
	return all
}
