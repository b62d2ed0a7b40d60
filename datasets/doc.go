// Package datasets opens collections of encoded images, of any origin, as a pipeline.Source, and writes them as checked
// shards.
//
// One string names a dataset on every command line and in Open:
//
//	photos/                 a folder of class folders: class/name or split/class/name; a flat folder has no labels
//	photos.tar              an archive laid out in the same way; .tar.gz and .tgz too
//	cifar-10-binary.tar.gz  CIFAR-10 or CIFAR-100 as published, packed or unpacked (cifar-10-batches-bin/)
//	shards/                 what Ingest wrote, see FORMAT.md
//	synthetic               the procedural set; synthetic:n=20000,size=96,seed=7 chooses its shape
//
// Where a dataset has several splits, "#" and the split's name follow: "photos.tar#test", "synthetic#test". A folder that
// is called synthetic is "./synthetic".
//
// Images come as the bytes that were stored. Labels are indices into the sorted names of the classes of all splits, so
// that training and test data with the same classes agree.
package datasets
