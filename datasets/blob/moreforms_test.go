package blob

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
)

// moreForms adds the forms in which images lie in one object with others, or are named by one: 30 images in each spec.
func moreForms(t testing.TB, files map[string][]byte) (specs []string) {
	images := map[string][]byte{}
	for name, content := range pictures(t) {
		if strings.HasPrefix(name, "train/") {
			images[name] = content
		}
	}
	names := slices.Sorted(maps.Keys(images))
	addWebDatasets(t, files, images, names)
	addLists(files, images, names)

	content, label := parquettest.Column{Path: []string{"image", "bytes"}}, parquettest.Column{Path: []string{"label"}}
	place := parquettest.Column{Path: []string{"image", "path"}}
	for i, name := range names {
		content.Values, place.Values = append(content.Values, images[name]), append(place.Values, any(name))
		label.Values = append(label.Values, int64(i%3))
	}
	files["tables/photos.parquet"] = parquettest.Write(t, parquettest.File{GroupRows: 7}, content, place, label)
	files["photos.tar.zst"] = zstdOf(t, files["a/photos.tar"])

	addRecords(files, "cifar-10-batches-bin/", "batches.meta.txt", 1+32*32*3, 6,
		"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin")
	addRecords(files, "cifar-10-batches-bin/", "batches.meta.txt", 1+32*32*3, 30, "test_batch.bin")
	addRecords(files, "stl10_binary/", "class_names.txt", 96*96*3, 30, "test_X.bin")
	labels := make([]byte, 30)
	for i := range labels {
		labels[i] = byte(1 + i%10)
	}
	files["stl10_binary/test_y.bin"] = labels
	for _, set := range []string{"cifar-10-batches-bin", "stl10_binary"} {
		members := map[string][]byte{}
		for name, content := range files {
			if path.Dir(name) == set {
				members[name] = content
			}
		}
		files[set+".tar.gz"] = gzipOf(t, tarOf(t, members))
	}
	return []string{
		"photos.tar.zst#train", "photos.tar.zst#test", "web", "web/x-{0..2}.tar", "web/*.tar", "lists/photos.csv", "lists/photos.tsv", "lists/photos.jsonl",
		"tables", "tables/photos.parquet", "cifar-10-batches-bin#train", "cifar-10-batches-bin#test", "cifar-10-batches-bin.tar.gz#train",
		"stl10_binary#test", "stl10_binary.tar.gz#test",
	}
}

func zstdOf(t testing.TB, content []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// addWebDatasets adds three archives that count from 0 each, with labels beside the images.
func addWebDatasets(t testing.TB, files, images map[string][]byte, names []string) {
	for k := range 3 {
		members := []archiveMember{}
		for i, name := range names[10*k : 10*k+10] {
			members = append(members, archiveMember{fmt.Sprintf("%06d.png", i), images[name]}, archiveMember{fmt.Sprintf("%06d.cls", i), []byte{byte('0' + i%4)}})
		}
		files[fmt.Sprintf("web/x-%d.tar", k)] = tarInOrder(t, members)
	}
}

// addLists adds lists of the images beside them.
func addLists(files, images map[string][]byte, names []string) {
	var lists [3]strings.Builder
	lists[0].WriteString("path,label\n")
	lists[1].WriteString("label\tpath\n")
	for i, name := range names {
		files["lists/"+name] = images[name]
		fmt.Fprintf(&lists[0], "%s,%d\n", name, i%3)
		fmt.Fprintf(&lists[1], "%d\t%s\n", i%3, name)
		fmt.Fprintf(&lists[2], "{\"path\": %q, \"label\": %d}\n", name, i%3)
	}
	for i, ext := range []string{"csv", "tsv", "jsonl"} {
		files["lists/photos."+ext] = []byte(lists[i].String())
	}
}

// addRecords adds files of a published set: ten classes, and records of a size that each begin with their class.
func addRecords(files map[string][]byte, dir, names string, size, records int, to ...string) {
	for f, name := range to {
		content := bytesOf(size * records)
		for i := range records {
			content[i*size] = byte((f + i) % 10)
		}
		files[dir+name] = content
	}
	files[dir+names] = []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n")
}
