package datasets

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goclr/goclr/datasets/internal/parquet"
)

// tableColumns says where in a Parquet file images and their labels are: places in parquet.File.Columns, -1 where there is no such column.
type tableColumns struct {
	image, path, label int
	classes            []string // by label, where the file names them; they differ
}

// A feature is what the library datasets of Hugging Face notes of a column.
type feature struct {
	Type  string   `json:"_type"` // "Image", "ClassLabel" and others
	Names []string `json:"names"` // of a ClassLabel
}

// An imageColumn is one that may hold images.
type imageColumn struct {
	name        string
	bytes, path int
}

// labelColumns are the names that a column with the classes may have; one of published sets has fine and coarse ones.
var labelColumns = []string{"label", "class", "category", "target", "fine_label"}

// findColumns tells which columns are meant. The column of the images may be named, which is needed where there are several that could be it.
func findColumns(f *parquet.File, named string) (tableColumns, error) {
	features, err := readFeatures(f)
	if err != nil {
		return tableColumns{}, err
	}
	image, err := chooseImageColumn(imageColumns(f), features, named)
	if err != nil {
		return tableColumns{}, fmt.Errorf("%w; its columns are %s", err, strings.Join(topColumns(f), ", "))
	}
	c := tableColumns{image: image.bytes, path: image.path, label: -1}
	name := chooseLabelColumn(f, features)
	if name == "" {
		return c, nil
	}
	c.label = findColumn(f, name)
	if f.Columns[c.label].Type == parquet.Int && len(features[name].Names) > 0 {
		c.classes = distinct(features[name].Names)
	}
	return c, nil
}

// readFeatures reads the note that Hugging Face's library leaves in a file: {"info": {"features": {"label": {"_type": "ClassLabel", ...}}}}.
func readFeatures(f *parquet.File) (map[string]feature, error) {
	note := f.Metadata("huggingface")
	if note == "" {
		return nil, nil
	}
	var content struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if err := json.Unmarshal([]byte(note), &content); err != nil {
		return nil, fmt.Errorf("its metadata %q cannot be read: %w", "huggingface", err)
	}
	features := map[string]feature{}
	for name, raw := range content.Info.Features {
		var one feature
		if json.Unmarshal(raw, &one) == nil { // those of other shapes are no images and labels
			features[name] = one
		}
	}
	return features, nil
}

// topColumns names the columns as people see them.
func topColumns(f *parquet.File) []string {
	var names []string
	for _, c := range f.Columns {
		names = append(names, c.Path[0])
	}
	return slices.Compact(names)
}

// findColumn returns the place of a column with one value a row; -1 where there is none.
func findColumn(f *parquet.File, path ...string) int {
	return slices.IndexFunc(f.Columns, func(c parquet.Column) bool { return slices.Equal(c.Path, path) && !c.Repeated })
}

// imageColumns are the columns that may hold images: structs of bytes and a path, and binary ones.
func imageColumns(f *parquet.File) []imageColumn {
	var found []imageColumn
	for i, c := range f.Columns {
		if c.Type != parquet.Bytes || c.Text || c.Repeated {
			continue
		}
		switch {
		case len(c.Path) == 1:
			found = append(found, imageColumn{c.Path[0], i, -1})
		case len(c.Path) == 2 && c.Path[1] == "bytes":
			path := findColumn(f, c.Path[0], "path")
			if path >= 0 && f.Columns[path].Type != parquet.Bytes {
				path = -1
			}
			found = append(found, imageColumn{c.Path[0], i, path})
		}
	}
	return found
}

// chooseImageColumn chooses the column that is named; or else the one that is noted as images, is a struct, or is called image or img,
// as soon as one of these leaves no choice.
func chooseImageColumn(found []imageColumn, features map[string]feature, named string) (imageColumn, error) {
	if len(found) == 0 {
		return imageColumn{}, errors.New("no column of images, which is a struct of bytes and path, or binary")
	}
	var names []string
	for _, c := range found {
		if names = append(names, c.name); c.name == named {
			return c, nil
		}
	}
	if named != "" {
		return imageColumn{}, fmt.Errorf("no column %q with images: choose of %s", named, strings.Join(names, ", "))
	}
	for _, is := range []func(imageColumn) bool{
		func(c imageColumn) bool { return features[c.name].Type == "Image" },
		func(c imageColumn) bool { return c.path >= 0 },
		func(c imageColumn) bool { return c.name == "image" || c.name == "img" },
	} {
		var left []imageColumn
		for _, c := range found {
			if is(c) {
				left = append(left, c)
			}
		}
		if len(left) > 0 {
			found = left
		}
	}
	if len(found) > 1 {
		return imageColumn{}, fmt.Errorf("images may be in any of the columns %s: choose one, as in \"#:%s\", or \"#train:%s\" of a split",
			strings.Join(names, ", "), names[0], names[0])
	}
	return found[0], nil
}

// chooseLabelColumn returns the name of the column with the classes: one with a usual name, or the only one that is noted as such.
func chooseLabelColumn(f *parquet.File, features map[string]feature) string {
	usable := func(name string) bool {
		i := findColumn(f, name)
		return i >= 0 && f.Columns[i].Type != parquet.Other
	}
	for _, name := range labelColumns {
		if usable(name) {
			return name
		}
	}
	var noted []string
	for name, one := range features {
		if one.Type == "ClassLabel" && usable(name) {
			noted = append(noted, name)
		}
	}
	if len(noted) == 1 {
		return noted[0]
	}
	return ""
}

// distinct returns names that differ and are not empty: ImageNet has two classes that are called crane.
func distinct(names []string) []string {
	count := map[string]int{}
	for _, name := range names {
		count[name]++
	}
	list := slices.Clone(names)
	for i, name := range list {
		if count[name] > 1 || name == "" {
			list[i] = strings.TrimSpace(fmt.Sprintf("%s (%d)", name, i))
		}
	}
	return list
}
