package blob

import (
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// A version tells the content of an object from any that replaces it.
type version struct {
	size       int64
	changed    time.Time
	tag        string // S3 and Azure: the entity tag; "": not told
	generation int64  // Google; 0: not told
}

// versionOf returns what an answer is of.
func versionOf(r *blob.Reader) version {
	v := version{size: r.Size(), changed: r.ModTime()}
	var amazon s3.GetObjectOutput
	var google *storage.Reader
	var microsoft azure.DownloadStreamResponse
	switch {
	case r.As(&amazon):
		v.tag = aws.ToString(amazon.ETag)
	case r.As(&google):
		v.generation = google.Attrs.Generation
	case r.As(&microsoft) && microsoft.ETag != nil:
		v.tag = string(*microsoft.ETag)
	}
	return v
}

// known reports whether an object has been opened.
func (v version) known() bool { return v != version{} }

func (v version) equal(w version) bool {
	return v.size == w.size && v.changed.Equal(w.changed) && v.tag == w.tag && v.generation == w.generation
}

// ask has a request fail where the store has another version. It serves as blob.ReaderOptions.BeforeRead.
func (v *version) ask(as func(any) bool) error {
	var amazon *s3.GetObjectInput
	if as(&amazon) && v.tag != "" {
		amazon.IfMatch = aws.String(v.tag)
	}
	var google **storage.ObjectHandle
	if as(&google) {
		*google = (*google).ReadCompressed(true) // as it is stored: its size is that too
		if v.generation != 0 {
			*google = (*google).Generation(v.generation)
		}
	}
	var microsoft *azure.DownloadStreamOptions
	if as(&microsoft) && v.tag != "" {
		tag := azcore.ETag(v.tag)
		microsoft.AccessConditions = &azure.AccessConditions{ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfMatch: &tag}}
	}
	return once(as)
}

// once has Amazon's client try a request once, since that is repeated here for all stores alike, and be quiet where the server sends
// no checksum.
func once(as func(any) bool) error {
	var options *[]func(*s3.Options)
	if as(&options) {
		*options = append(*options, func(o *s3.Options) {
			o.Retryer = aws.NopRetryer{}
			o.DisableLogOutputChecksumValidationSkipped = true
		})
	}
	return nil
}
