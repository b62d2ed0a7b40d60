package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"

	"github.com/goclr/goclr/datasets/internal/retry"
	"github.com/goclr/goclr/pipeline"
)

var errReplaced = errors.New("it was replaced or removed while it was in use: datasets must not change during a run; begin the run again")

// judge prepares an error of a store for retry.Do: what will not pass is permanent, and what does not exist wraps fs.ErrNotExist.
func judge(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errReplaced):
		return retry.Permanent(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err // of the caller; retry.Do knows
	}
	switch gcerrors.Code(err) {
	case gcerrors.FailedPrecondition:
		return retry.Permanent(errReplaced)
	case gcerrors.NotFound:
		if !noBucket(err) && status(err) != http.StatusMovedPermanently {
			return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
		}
	}
	if passes(err) {
		return err
	}
	return retry.Permanent(err)
}

// explain names an object, or all of a bucket where that is "", in an error, and says what to do about it.
func (b *bucket) explain(name string, err error) error {
	return fmt.Errorf("%s%s: %w", b.url, name, advise(b.scheme, err))
}

// blame is explain for errors that are of the store, or of an object in use, rather than of one image.
func (b *bucket) blame(name string, err error) error {
	return &pipeline.SourceError{Err: b.explain(name, err)}
}

// status is that of the answer of a store; 0: there was none.
func status(err error) int {
	var amazon interface{ HTTPStatusCode() int }
	var google *googleapi.Error
	var microsoft *azcore.ResponseError
	switch {
	case errors.As(err, &amazon):
		return amazon.HTTPStatusCode()
	case errors.As(err, &google):
		return google.Code
	case errors.As(err, &microsoft):
		return microsoft.StatusCode
	}
	return 0
}

// code is the word that S3 has for an error.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// noBucket reports whether there is no bucket of that name.
func noBucket(err error) bool {
	return code(err) == "NoSuchBucket" || errors.Is(err, storage.ErrBucketNotExist) || bloberror.HasCode(err, bloberror.ContainerNotFound)
}

// passes reports whether an error may go away by itself.
func passes(err error) bool {
	switch s := status(err); s {
	case 0:
		return !lacksCredentials(err) && !lacksRegion(err) && gcerrors.Code(err) != gcerrors.InvalidArgument
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusBadRequest:
		return code(err) == "RequestTimeout" || code(err) == "SlowDown"
	default:
		return s >= 500 && s != http.StatusNotImplemented || s < 300
	}
}

// lacksCredentials reports whether a client has found none: the three have no type of error in common for that.
func lacksCredentials(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "credential")
}

// noRegion is what the client of S3 says where it has no region, or none that could be one: it has no type for that.
var noRegion = regexp.MustCompile(`(?i)(missing|invalid|invalid input) region`)

func lacksRegion(err error) bool { return noRegion.MatchString(err.Error()) }

// advise says what to do about the usual mistakes.
func advise(scheme string, err error) error {
	advice := ""
	var name *net.DNSError
	switch s := status(err); {
	case noBucket(err):
		advice = "check the name of the bucket, and the endpoint or account"
	case lacksRegion(err), s == http.StatusMovedPermanently, code(err) == "AuthorizationHeaderMalformed", code(err) == "PermanentRedirect":
		advice = `name the region of the bucket, by "?region=" behind the URL or AWS_REGION`
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		advice = "the credentials do not allow to read and list it, or are not those meant: " + credentials[scheme]
	case s == 0 && lacksCredentials(err):
		advice = "no credentials were found: " + credentials[scheme]
	case errors.As(err, &name):
		advice = "no such host: check the endpoint or account"
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "nothing answers there: check the endpoint, and that its server runs"
	}
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

// credentials says for each store where they come from.
var credentials = map[string]string{
	"s3": `set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run "aws sso login"; ` +
		`a public bucket takes "?anonymous=true" behind the URL`,
	"gs": `run "gcloud auth application-default login", or set GOOGLE_APPLICATION_CREDENTIALS; ` +
		`a public bucket takes "?access_id=-" behind the URL`,
	"azblob": `set AZURE_STORAGE_ACCOUNT, and AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or run "az login"`,
}
