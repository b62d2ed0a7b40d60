// Package blob has datasets.Open read from cloud stores: who imports it, as the commands do, may name datasets by URL.
//
//	s3://bucket/prefix/       Amazon S3, and what speaks its protocol; credentials as the AWS command line has them
//	gs://bucket/prefix/       Google Cloud Storage; application default credentials
//	azblob://container/path/  Azure; AZURE_STORAGE_ACCOUNT, with AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or a login
//	file:///folder/           a local folder of up to a million files, read in the same way, to try things out
//
// What follows the bucket is the name of an object, or the beginning of names, as it stands: nothing in it is unescaped. Behind "?" stand
// options, name=value with & in between:
//
//	region=eu-central-1       s3: of the bucket, where the environment does not tell
//	endpoint=http://HOST:PORT s3: another server than Amazon's, such as MinIO, Ceph or SeaweedFS. Its region is us-east-1 and the bucket
//	                          stands in the path, unless region= or use_path_style=false say otherwise
//	anonymous=true            s3: without credentials, for public buckets; gs: access_id=-
//	profile=NAME              s3: of the AWS configuration
//
// and all others of gocloud.dev/aws.V2ConfigFromURLParams, gcsblob.URLOpener and azureblob.URLOpener. Quote such URLs in a shell.
//
// # What can be relied on
//
// An object is read as it was when it was opened: if it is replaced afterwards, reading it is an error, never a mixture. That goes by the
// entity tag (S3, Azure), the generation (Google), or the size and the time of change (files).
//
// What may pass is tried again, with random pauses: refused and broken connections, answers that end early, servers that are overloaded
// or send nothing for a minute. What will not pass is told at once, with what to do about it.
//
// An image whose object is gone is a bad sample. Whatever else is wrong with a store is a *pipeline.SourceError, which ends a run.
//
// Hidden objects, with a name or folder that begins with a dot, are left out, as are empty objects that stand for folders.
//
// A listing of more than 8,000 objects goes on with many requests at once, in S3 and Google Cloud Storage, if they lie in folders of a
// hundred or more: the same objects in the same order. The objects of one folder are listed one page after the other.
//
// An object that is opened and read once from its beginning, such as an image in a folder, takes one request. One that is read on from
// where the last read ended goes through one request too, however small the reads.
package blob
