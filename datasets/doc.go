// Package datasets opens collections of encoded images, of any origin, as a pipeline.Source, and writes them as checked
// shards.
//
// One string names a dataset on every command line and in Open:
//
//	photos/                 a folder of class folders: class/name or split/class/name; a flat folder has no labels
//	photos.tar              an archive laid out in the same way; .tar.gz and .tar.zst too
//	photos/*.tar            several archives as one dataset; or a folder that holds archives and no images
//	train-{000..123}.tar    WebDataset: 0001.jpg with 0001.cls or 0001.json beside it
//	cifar-10-binary.tar.gz  CIFAR-10 or CIFAR-100 as published, packed or unpacked (cifar-10-batches-bin/)
//	stl10_binary.tar.gz     STL-10 as published, packed or unpacked; its splits are train, test, unlabeled and train+unlabeled
//	photos.parquet          a table with a column of images, as Hugging Face lays it out; or a folder of such files
//	photos.csv              a list of paths and labels, in CSV, TSV or JSON by the line
//	shards/                 what Ingest wrote, see FORMAT.md
//	s3://bucket/photos.tar  any of these in a store, where the program imports package blob
//	synthetic               the procedural set; synthetic:n=20000,size=96,seed=7 chooses its shape
//
// Where a dataset has several splits, "#" and the split's name follow: "photos.tar#test", "synthetic#test". A folder that
// is called synthetic is "./synthetic".
//
// What a file is, is found by its content. Images are known by the usual extensions; a file that has none, or one that nobody knows, is
// opened, and is an image if it begins as a JPEG, PNG, GIF, WebP or TIFF file does. In a store, where that takes a request each, an extension is taken for what it
// meant in the first hundred images, or in the first thousand other files, if it meant the same in all.
//
// Of several archives, images are named as if each was unpacked where it lies: those of train/0.tar and val/0.tar are splits, in a folder that holds
// both. In a pattern, * ? and [a-z] stand for parts of a name, without slashes, and {000..123} and {a,b} for each number or word, all of which must be there.
// Archives stay open, one file each: a thousand are usual, and the limit is that of the system for a process (ulimit -n, of which Go takes the hard one).
//
// An archive is a WebDataset if images have labels beside them: files with the same name up to the first dot, which hold a word or a number (.cls), or a JSON
// object with a field label, cls, class or target (.json). Then folders tell no classes; where all labels are numbers, they are the labels themselves. An image without a
// label has none. A label without an image is listed as an image that cannot be read, so that it is counted. Files that belong together must be next to one
// another in the archive, as WebDataset and tar --sort=name write them; if they are not, that is an error. All images of a sample are listed, with its label.
//
// The images of a table are a column of structs {bytes, path}, or of binary values. Where it could be any of several, its name follows the split:
// "photos.parquet#train:left", "photos.parquet#:left". Labels are in a column label, class, category, target or fine_label, or in the only one that
// Hugging Face's note in the file calls a ClassLabel: texts, or numbers that get their names from that note; a negative number is no label. Files are
// parts of a split by their names: train-00000-of-00002.parquet, train.parquet or train/0000.parquet. The key of an image is its path if all images of
// the split have one of their own, or else its file and row: "data/train-00000-of-00002/00000042". In a folder, tables count where it has no images.
//
// A list has a header with a column path, file, filename, file_name, image, image_path or url, may have one for labels, named as in a table, and one
// called split or set; others are passed over. Or there is no header, and lines are a path, or a path and a label. Lines of JSON are objects with these
// names. Paths are relative to the list, absolute, or URLs of a store. Images that are not there turn out when they are read.
//
// In a store, a folder is the objects below a prefix, and an image there takes one request, of which Ingest and Visit have 64 going on. An archive is fetched
// whole when it is opened, to Options.TempDir. Shards are fetched whole when they are needed, and kept on the local disk: see Options.CacheDir.
//
// Images come as the bytes that were stored. Labels are indices into the sorted names of the classes of all splits, so
// that training and test data with the same classes agree. Where a table or list has numbers for classes, without names, these are the labels.
package datasets
