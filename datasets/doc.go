// Package datasets opens collections of encoded images, of any origin, as a pipeline.Source, and writes them as checked
// shards.
//
// One string names a dataset on every command line and in Open:
//
//	photos/                 a folder of class folders: class/name or split/class/name; a flat folder has no labels
//	photos.tar              an archive laid out in the same way; .tar.gz and .tgz too
//	cifar-10-binary.tar.gz  CIFAR-10 or CIFAR-100 as published, packed or unpacked (cifar-10-batches-bin/)
//	photos.parquet          a table with a column of images, as Hugging Face lays it out; or a folder of such files
//	photos.csv              a list of paths and labels, in CSV, TSV or JSON by the line
//	shards/                 what Ingest wrote, see FORMAT.md
//	s3://bucket/photos.tar  any of these in a store, where the program imports package blob
//	synthetic               the procedural set; synthetic:n=20000,size=96,seed=7 chooses its shape
//
// Where a dataset has several splits, "#" and the split's name follow: "photos.tar#test", "synthetic#test". A folder that
// is called synthetic is "./synthetic".
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
// In a store, a folder is the objects below a prefix, and an image there takes one request. Of a plain archive, headers are read when it is opened and images one by one; a
// compressed one is fetched whole. Shards are fetched whole when they are needed, and kept on the local disk: see Options.CacheDir.
//
// Images come as the bytes that were stored. Labels are indices into the sorted names of the classes of all splits, so
// that training and test data with the same classes agree. Where a table or list has numbers for classes, without names, these are the labels.
package datasets
