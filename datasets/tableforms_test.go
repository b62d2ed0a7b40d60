package datasets

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
)

// tableForms writes images, whose classes are the folders that they lie in, as tables, and as lists of the files in folder. It returns what opens each.
func tableForms(t testing.TB, folder string, images []picture) map[string]string {
	t.Helper()
	classes := values[string]("label")
	for _, image := range images {
		classes.Values = append(classes.Values, path.Base(path.Dir(image.key)))
	}
	half := len(images) / 2
	tables := t.TempDir()
	whole := append(hf("image", images), classes)
	for n, part := range [][2]int{{0, half}, {half, len(images)}} {
		var columns []parquettest.Column
		for _, c := range whole {
			columns = append(columns, parquettest.Column{Path: c.Path, Values: c.Values[part[0]:part[1]]})
		}
		writeTemp(t, tables, fmt.Sprintf("train-%05d-of-00002.parquet", n), parquettest.Write(t, parquettest.File{GroupRows: 100}, columns...))
	}
	forms := map[string]string{
		"Parquet":       writeTemp(t, "", "x.parquet", parquettest.Write(t, parquettest.File{GroupRows: 100}, whole...)),
		"Parquet files": tables,
	}
	for name, comma := range map[string]rune{"CSV": ',', "TSV": '\t'} {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Comma = comma
		rows := [][]string{{"label", "path"}}
		for i, image := range images {
			rows = append(rows, []string{classes.Values[i].(string), image.key})
		}
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		forms[name] = writeTemp(t, folder, name, b.Bytes())
	}
	var b bytes.Buffer
	for i, image := range images {
		if err := json.NewEncoder(&b).Encode(map[string]any{"file": image.key, "class": classes.Values[i]}); err != nil {
			t.Fatal(err)
		}
	}
	forms["JSON"] = writeTemp(t, folder, "JSON", b.Bytes())
	return forms
}

// TestTableForms opens the same images as a folder, as tables and as lists.
func TestTableForms(t *testing.T) {
	folder := t.TempDir()
	images := members("ant/1.jpg", "ant/2, small.jpg", "bee/1.jpg", `bee/"2".jpg`, "cat/1.jpg")
	for _, image := range images {
		writeTemp(t, folder, filepath.FromSlash(image.key), []byte(image.bytes))
	}
	want := pictures(t, openSpec(t, folder))
	sortByKey := func(list []picture) []picture {
		slices.SortFunc(list, func(a, b picture) int { return strings.Compare(a.key, b.key) })
		return list
	}
	sortByKey(want)
	for name, spec := range tableForms(t, folder, images) {
		if got := sortByKey(pictures(t, openSpec(t, spec))); !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %s", name, outline(got), outline(want))
		}
	}
}
