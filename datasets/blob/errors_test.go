package blob

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/blob/s3test"
	"github.com/goclr/goclr/pipeline"
)

// TestMistakes makes sure that each is told with what to do about it, without trying again.
func TestMistakes(t *testing.T) {
	for name, x := range map[string]struct {
		status int
		code   string
		path   string
		env    map[string]string
		say    []string
	}{
		"forbidden":      {status: 403, code: "AccessDenied", say: []string{"do not allow", "AWS_ACCESS_KEY_ID"}},
		"wrong key":      {status: 403, code: "InvalidAccessKeyId", say: []string{"do not allow", "AWS_PROFILE"}},
		"wrong region":   {status: 301, code: "PermanentRedirect", say: []string{"?region="}},
		"wrong region 2": {status: 400, code: "AuthorizationHeaderMalformed", say: []string{"AWS_REGION"}},
		"no bucket":      {path: "quick://typo/x", say: []string{"check the name of the bucket", "NoSuchBucket", "s3://typo/"}},
		"no credentials": {env: map[string]string{"AWS_ACCESS_KEY_ID": ""}, say: []string{"no credentials were found", "anonymous=true"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, map[string][]byte{"x/cat/a.png": {1}})
			requests := 0
			s.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
				requests++
				if x.status != 0 {
					s3test.RefuseWith(w, x.status, x.code)
				}
				return x.status != 0
			}
			for name, value := range x.env {
				t.Setenv(name, value)
			}
			spec := s.url("x")
			if x.path != "" {
				spec = strings.Replace(spec, "quick://bucket/x", x.path, 1)
			}
			d, err := datasets.Open(t.Context(), spec, datasets.Options{})
			if err == nil {
				d.Close()
			}
			wantError(t, err, append(x.say, "x")...)
			if errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v is taken for a missing object", err)
			}
			if requests > 1 {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

// TestNoRegion makes sure that it is told at once, before anything is sent.
func TestNoRegion(t *testing.T) {
	for _, region := range []string{"", "not a region"} {
		t.Setenv("AWS_REGION", region)
		_, err := datasets.Open(t.Context(), "quick://bucket/x", datasets.Options{})
		wantError(t, err, "s3://bucket/x", "name the region", "AWS_REGION")
		if strings.Contains(err.Error(), "attempts") {
			t.Errorf("%q was tried again: %v", region, err)
		}
	}
}

// TestGivesUp makes sure that a server that stays broken is told, with the number of attempts.
func TestGivesUp(t *testing.T) {
	s := newServer(t, map[string][]byte{"x": {1}})
	s.Faults = func(*http.Request) s3test.Fault { return s3test.Refuse }
	_, err := openBucket(t, s, "").Open(t.Context(), "x")
	wantError(t, err, "s3://bucket/x", "12 attempts", "500")
	if !isOfSource(err) {
		t.Error("an image is to blame")
	}
}

// TestNothingThere makes sure that a wrong name is told as such, and a wrong endpoint after some attempts.
func TestNothingThere(t *testing.T) {
	s := newServer(t, map[string][]byte{"x": {1}})
	_, err := datasets.Open(t.Context(), s.url("shard.arrow"), datasets.Options{})
	wantError(t, err, "quick://bucket/shard.arrow", "no such object, and none below it")
	_, err = datasets.Open(t.Context(), s.url("x"), datasets.Options{})
	wantError(t, err, `unknown kind of dataset ""`, "Parquet")
	s.Close()
	_, err = datasets.Open(t.Context(), s.url("x"), datasets.Options{})
	wantError(t, err, "attempts", "nothing answers there: check the endpoint")
}

func isOfSource(err error) bool {
	var e *pipeline.SourceError
	return errors.As(err, &e)
}

func TestWrongURLs(t *testing.T) {
	for url, say := range map[string]string{
		"s3:///x":                    "no bucket",
		"s3://b/x?colour=red":        "colour",
		"s3://b/x?endpoint=%zz":      "options",
		"s3://b/x?region=x;y":        "options",
		"file://folder/x":            "begins with a slash",
		"file:///no/such/folder/x/y": "no such file",
		"file:///tmp/x?a=b":          "no options",
	} {
		_, err := datasets.Open(t.Context(), url, datasets.Options{})
		scheme, _, _ := strings.Cut(url, "://")
		wantError(t, err, say, scheme+"://")
	}
}
