package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goclr/goclr/datasets/internal/parquet"
)

// tableExtension is how files in a folder are known to be tables.
const tableExtension = ".parquet"

func isTable(name string) bool { return strings.ToLower(path.Ext(name)) == tableExtension }

// openTable opens one Parquet file, an object of a bucket; it owns both. The name is for messages.
func openTable(ctx context.Context, b Bucket, table Object, object, name, split string, o Options) (Dataset, error) {
	err := table.Close() // it is opened again for each pass
	if err == nil {
		var d Dataset
		if d, err = openTables(ctx, b, []string{object}, false, split, o); err == nil {
			return d, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
}

// openTables opens Parquet files with a column of images, objects of a bucket that the Dataset owns then. To find one row of them takes
// reading many, so the images of the split are unpacked into a temporary file. The split may be followed by ":" and the column of the images.
func openTables(ctx context.Context, b Bucket, names []string, inFolder bool, split string, o Options) (_ Dataset, err error) {
	split, column, _ := strings.Cut(split, ":")
	splits := map[string]bool{}
	for _, name := range names {
		splits[splitOfTable(name)] = true
	}
	if split, err = chooseSplit(slices.Sorted(maps.Keys(splits)), split); err != nil {
		return nil, err
	}
	t := &tables{bucket: b, split: split, column: column, inFolder: inFolder, keep: o.keep, list: newLister(o), images: newSpool(o.TempDir)}
	if err := t.read(ctx, names); err != nil {
		return nil, errors.Join(err, t.list.close(), t.images.close())
	}
	if err := t.images.seal(); err != nil {
		return nil, errors.Join(err, t.list.close(), t.images.close())
	}
	x, err := t.list.finish(ctx, split)
	if err != nil {
		return nil, errors.Join(err, t.images.close())
	}
	return &collection{bucket: b, objects: []Object{&spoolObject{t.images}}, listing: x}, nil
}

// shardOfSplit is how parts of a split are called: train-00000-of-00002.parquet.
var shardOfSplit = regexp.MustCompile(`^(.+?)-\d{5,}-of-\d{5,}`)

// splitOfTable tells the split of a table by its name: what stands before the number of a part, or a file or folder with the usual name of
// one; "" where there is neither.
func splitOfTable(name string) string {
	name = strings.TrimSuffix(name, tableExtension)
	if m := shardOfSplit.FindStringSubmatch(path.Base(name)); m != nil {
		return m[1]
	}
	parts := strings.Split(name, "/")
	for _, part := range slices.Backward(parts) {
		if slices.Contains(splitNames, strings.ToLower(part)) {
			return part
		}
	}
	return ""
}

// tables collects the images of Parquet files.
type tables struct {
	bucket   Bucket
	split    string // that is wanted
	column   string // of the images; "": found by tableColumns
	inFolder bool   // so that errors name files
	keep     func(key string) bool
	list     *lister
	images   *spool

	classes []string // by label; nil: labels are numbers or names
	paths   bool     // the paths of all images are there and differ, so they are keys
	hashes  []uint64 // of the paths
	some    bool     // image has bytes
}

// read lists the images of all files: first what tells their keys and classes, then the images of the split.
func (t *tables) read(ctx context.Context, names []string) error {
	t.paths = true
	for _, name := range names {
		if err := t.visit(ctx, name, t.survey); err != nil {
			return err
		}
	}
	slices.Sort(t.hashes)
	all := len(t.hashes)
	t.paths = t.paths && len(slices.Compact(t.hashes)) == all
	t.hashes = nil
	t.list.numeric = t.classes == nil
	for _, name := range names {
		if err := t.visit(ctx, name, t.add); err != nil {
			return err
		}
	}
	if !t.some && t.list.records.len() > 0 {
		return errors.New("its images have no bytes, only paths: write the files into the table, or make a list of them")
	}
	return nil
}

// visit opens one of the files for a pass over it.
func (t *tables) visit(ctx context.Context, name string, pass func(context.Context, *table) error) (err error) {
	defer func() {
		if err != nil && t.inFolder {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	o, err := t.bucket.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	f, err := parquet.Open(readerAt{ctx, o}, o.Size())
	if err != nil {
		return err
	}
	columns, err := findColumns(f, t.column)
	if err != nil {
		return err
	}
	return pass(ctx, &table{f, name, splitOfTable(name), columns})
}

// A table is one of the files.
type table struct {
	*parquet.File
	name, split string
	columns     tableColumns
}

// each calls visit for the values of some columns in each row.
func (t *table) each(ctx context.Context, columns []int, visit func(row int64, values []parquet.Value) error) error {
	row := int64(0)
	for values, err := range t.Read(columns) {
		if err == nil && row%1000 == 0 {
			err = ctx.Err()
		}
		if err == nil {
			err = visit(row, values)
		}
		if err != nil {
			return err
		}
		row++
	}
	return nil
}

// survey finds out the names of the classes, and whether paths can be keys.
func (t *tables) survey(ctx context.Context, file *table) error {
	c := file.columns
	switch {
	case c.classes == nil:
	case t.classes == nil:
		t.classes = c.classes
	case !slices.Equal(t.classes, c.classes):
		return errors.New("its classes have other names than those of the files before")
	}
	if file.split != t.split || !t.paths {
		return nil
	}
	if c.path < 0 {
		t.paths = file.Rows == 0
		return nil
	}
	return file.each(ctx, []int{c.path}, func(_ int64, values []parquet.Value) error {
		key := cleanKey(string(values[0].Bytes))
		t.paths = t.paths && key != ""
		if t.paths {
			sum := sha256.Sum256([]byte(key))
			t.hashes = append(t.hashes, binary.LittleEndian.Uint64(sum[:]))
		}
		return nil
	})
}

// add lists the images of a file. Of one of another split only the classes are wanted.
func (t *tables) add(ctx context.Context, file *table) error {
	for _, class := range t.classes {
		if err := t.list.class(class, file.name); err != nil {
			return err
		}
	}
	c := file.columns
	if file.split != t.split {
		if c.label < 0 || t.classes != nil {
			return nil
		}
		return file.each(ctx, []int{c.label}, func(row int64, values []parquet.Value) error {
			class, err := t.class(file, row, values[0])
			if err == nil {
				err = t.list.class(class, file.key(row))
			}
			return err
		})
	}
	columns := []int{c.image}
	at := func(column int) (place int) {
		if column < 0 {
			return -1
		}
		columns = append(columns, column)
		return len(columns) - 1
	}
	label := at(c.label)
	name := -1
	if t.paths {
		name = at(c.path)
	}
	return file.each(ctx, columns, func(row int64, values []parquet.Value) (err error) {
		m := member{key: file.key(row), split: file.split}
		if name >= 0 {
			m.key = cleanKey(string(values[name].Bytes))
		}
		if label >= 0 {
			if m.class, err = t.class(file, row, values[label]); err != nil {
				return err
			}
		}
		if m.offset, err = t.store(m.key, values[0]); err != nil {
			return err
		}
		m.size = int64(len(values[0].Bytes))
		return t.list.add(m)
	})
}

// store keeps an image, if it is wanted, and returns its place.
func (t *tables) store(key string, image parquet.Value) (offset int64, err error) {
	if image.Null {
		return noBytes, nil
	}
	t.some = true
	if t.keep != nil && !t.keep(key) || len(image.Bytes) > MaxImageBytes {
		return notStored, nil
	}
	offset = t.images.len()
	t.list.meter.add(0, int64(len(image.Bytes)))
	return offset, t.images.append(image.Bytes...)
}

// class tells the class of a row by its label; "" where it has none.
func (t *tables) class(file *table, row int64, label parquet.Value) (string, error) {
	if label.Null || file.Columns[file.columns.label].Type == parquet.Bytes {
		return string(label.Bytes), nil
	}
	most := int64(mostNumeric)
	if t.classes != nil {
		most = int64(len(t.classes))
	}
	switch {
	case label.Int < 0: // tells that there is none, as in the test sets of contests
		return "", nil
	case label.Int >= most:
		return "", fmt.Errorf("row %d has label %d: labels are at most %d", row, label.Int, most-1)
	case t.classes != nil:
		return t.classes[label.Int], nil
	}
	return strconv.FormatInt(label.Int, 10), nil
}

// key is the name of an image whose path is none.
func (t *table) key(row int64) string {
	return fmt.Sprintf("%s/%08d", strings.TrimSuffix(t.name, tableExtension), row)
}

// cleanKey makes a key of a path that someone wrote; "" where there is none.
func cleanKey(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
