package blob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/gcsblob" // gs://
	_ "gocloud.dev/blob/s3blob"  // s3://

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/internal/retry"
)

// idleConnections to one server are kept, as many as requests go on at once: Amazon's library keeps 10, and has each other one begin anew.
const idleConnections = 100

func init() {
	awshttp.DefaultHTTPTransportMaxIdleConnsPerHost = max(idleConnections, awshttp.DefaultHTTPTransportMaxIdleConnsPerHost)
	for _, scheme := range []string{"s3", "gs", "azblob", "file"} {
		datasets.RegisterScheme(scheme, open)
	}
}

// open opens what lies below a URL.
func open(ctx context.Context, name string) (datasets.Bucket, error) {
	return openWith(ctx, name, patience{stall: time.Minute})
}

// A patience says how long to try.
type patience struct {
	policy retry.Policy
	stall  time.Duration // without a byte, until an attempt is given up
}

func openWith(ctx context.Context, name string, p patience) (datasets.Bucket, error) {
	place, query, _ := strings.Cut(name, "?")
	scheme, path, _ := strings.Cut(place, "://")
	b := &bucket{url: strings.TrimRight(place, "/") + "/", patience: p, plan: planOf(scheme)}
	var err error
	if scheme == "file" {
		b.store, err = openFolder(path, query)
	} else {
		b.store, b.prefix, err = openStore(ctx, scheme, path, query)
	}
	if err != nil {
		return nil, advise(scheme, err)
	}
	b.scheme = scheme
	return b, nil
}

// openFolder opens a local folder.
func openFolder(path, query string) (*blob.Bucket, error) {
	switch {
	case !strings.HasPrefix(path, "/"):
		return nil, errors.New("the path of a file:// URL begins with a slash: file:///folder/")
	case query != "":
		return nil, fmt.Errorf("file:// takes no options such as %q", query)
	}
	return fileblob.OpenBucket(path, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
}

// openStore opens a bucket of a cloud store, and says which names in it are meant.
func openStore(ctx context.Context, scheme, path, query string) (store *blob.Bucket, prefix string, err error) {
	options, err := url.ParseQuery(query)
	if err != nil {
		return nil, "", fmt.Errorf("the options %q: %w", query, err)
	}
	if scheme == "s3" {
		defaultsOfS3(options)
	}
	host, prefix, _ := strings.Cut(path, "/")
	if host == "" {
		return nil, "", fmt.Errorf("no bucket is named: %s://BUCKET/PREFIX", scheme)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	store, err = blob.OpenBucket(ctx, (&url.URL{Scheme: scheme, Host: host, RawQuery: options.Encode()}).String())
	if err != nil {
		return nil, "", err
	}
	var google *storage.Client
	if store.As(&google) {
		google.SetRetry(storage.WithPolicy(storage.RetryNever)) // that is done here, for all stores alike
	}
	return store, prefix, nil
}

// defaultsOfS3 sets what servers other than Amazon's want, where nothing else is said.
func defaultsOfS3(options url.Values) {
	if !options.Has("endpoint") && os.Getenv("AWS_ENDPOINT_URL") == "" && os.Getenv("AWS_ENDPOINT_URL_S3") == "" {
		return
	}
	if !options.Has("use_path_style") && !options.Has("s3ForcePathStyle") {
		options.Set("use_path_style", "true")
	}
	if !options.Has("region") && os.Getenv("AWS_REGION") == "" && os.Getenv("AWS_DEFAULT_REGION") == "" {
		options.Set("region", "us-east-1")
	}
}
