package datasets

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
)

// FuzzManifest reads anything as a manifest, also with the checksum that it should have: what is taken can be used.
func FuzzManifest(f *testing.F) {
	dir := makeShards(f)
	whole, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte(`"sha256"`), []byte(`"part": {"index": 1, "of": 2}, "duplicates": {"images": 3}, "sha256"`), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m manifest
		if json.Unmarshal(b, &m) == nil {
			if summed, err := m.encode(); err == nil {
				useManifest(t, dir, summed)
			}
		}
		useManifest(t, dir, b)
	})
}

// useManifest opens shards by a manifest.
func useManifest(t *testing.T, dir string, b []byte) {
	m, err := decodeManifest(b)
	if err != nil || m.checkWhole(dir, "") != nil {
		return
	}
	rows := 0
	for _, s := range m.Shards {
		if strings.ContainsAny(s.File, `/\`) {
			t.Errorf("a shard is called %q", s.File)
		}
		rows += s.Rows
	}
	if rows != m.Rows {
		t.Errorf("%d rows, and %d in shards", m.Rows, rows)
	}
	m.describe()
	d, err := mapShards(t.Context(), dir, m)
	if err != nil {
		return
	}
	for _, p := range readable(t, d) {
		if p.bytes != "" && int(p.label) >= len(m.Classes) {
			t.Errorf("label %d of %d classes", p.label, len(m.Classes))
		}
	}
}

// FuzzJournal goes on with anything as the journal of an ingest that was stopped: what counts as written is there.
func FuzzJournal(f *testing.F) {
	plan := ingestPlan{Version: formatVersion, Source: "x", Images: 100, ShardBytes: 1000, Shards: 5}
	line, err := json.Marshal(shardRecord{Shard: 1, Info: &shardInfo{"shard-00001.arrow", 3, 4, zeroSum}, Bytes: 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(line, '\n'))
	f.Add([]byte(strings.Replace(string(line), ":4", ":5", 1) + "\n{\"shard\":2}\n{"))
	first, err := json.Marshal(plan)
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		writeTemp(t, dir, "shard-00001.arrow", []byte("here"))
		writeTemp(t, dir, journalName, append(append(first, '\n'), b...))
		j, err := openJournal(dir, plan, false)
		if err != nil {
			t.Fatal(err)
		}
		defer j.close()
		for _, r := range j.done {
			if r.Info != nil && !r.isIn(dir, false) {
				t.Errorf("%+v is not there", r.Info)
			}
		}
		kept, err := os.ReadFile(filepath.Join(dir, journalName))
		if err != nil || len(kept) > 0 && kept[len(kept)-1] != '\n' {
			t.Errorf("a torn line stays: %q, %v", kept, err)
		}
	})
}

// FuzzOldQuarantine reads anything as a list of bad images of before: no file outside of its folder is read.
func FuzzOldQuarantine(f *testing.F) {
	f.Add([]byte(`{"index":3,"key":"b/c.jpg","label":1,"reason":"not an image","file":"quarantine/c.jpg"}` + "\n" + `{"index":4,"file":"../x"}`))
	above := f.TempDir()
	writeTemp(f, above, "x", []byte("outside"))
	writeTemp(f, above, "shards/quarantine/c.jpg", []byte("bad"))
	dir := filepath.Join(above, "shards")
	f.Fuzz(func(t *testing.T, b []byte) {
		writeTemp(t, dir, quarantineList, b)
		for bad, err := range ReadQuarantine(dir) {
			if err == nil && string(bad.Bytes) == "outside" {
				t.Errorf("%s is outside", bad.Key)
			}
		}
	})
}

// FuzzTable opens tables with any note of Hugging Face and any paths.
func FuzzTable(f *testing.F) {
	f.Add(classLabel("label", "a", "b")["huggingface"], "a/1.jpg", "../2.jpg", int64(1))
	f.Add(`{"info": {"features": {"label": {"names": []}}}}`, "", "/", int64(-1))
	f.Fuzz(func(t *testing.T, note, first, second string, label int64) {
		if !utf8.ValidString(note + first + second) { // the writer refuses them
			return
		}
		file := parquettest.Write(t, parquettest.File{Metadata: map[string]string{"huggingface": note}}, append(hf("image", members(first, second)), values("label", label, 0))...)
		got, err := openObject(t, memoryBucket{"x.parquet": file}, "x.parquet", "")
		if err == nil && len(got) != 2 {
			t.Errorf("%d images", len(got))
		}
	})
}
