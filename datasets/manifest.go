package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	manifestName  = "manifest.json"
	formatName    = "goclr-shards"
	formatVersion = 2
)

// A manifest describes a folder of shards; FORMAT.md says what each field is for. Its last field is the SHA-256 of the
// file itself with zeros in that field's place.
type manifest struct {
	Format     string              `json:"format"`
	Version    int                 `json:"version"`
	Classes    []string            `json:"classes"`
	Rows       int                 `json:"rows"`
	Bytes      int64               `json:"bytes"`
	Content    string              `json:"content"`
	Source     string              `json:"source"`
	Shards     []shardInfo         `json:"shards"`
	Quarantine *quarantineManifest `json:"quarantine,omitempty"`
	Check      string              `json:"check,omitempty"` // see IngestOptions.CheckName
	Reencoding *reencodingManifest `json:"reencoding,omitempty"`
	Duplicates *duplicatesManifest `json:"duplicates,omitempty"` // that were left out; those of a part are there still
	Part       *partManifest       `json:"part,omitempty"`
	SHA256     string              `json:"sha256"`
}

type shardInfo struct {
	File   string `json:"file"`
	Rows   int    `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

type quarantineManifest struct {
	File   string `json:"file,omitempty"` // none in shards of before, with quarantine.jsonl
	Images int    `json:"images"`
	SHA256 string `json:"sha256"`
}

type reencodingManifest struct {
	MaxSide int    `json:"max_side"`
	Quality int    `json:"quality"`
	Encoder string `json:"encoder"`
	Reencoded
}

// A partManifest says that a folder holds some of the shards of a dataset, until Merge.
type partManifest struct {
	Index  int `json:"index"` // from 1
	Of     int `json:"of"`
	Shards int `json:"shards"` // of the whole
	Images int `json:"images"` // of the source, of the whole
}

// zeroSum stands where the manifest's own checksum goes.
var zeroSum = strings.Repeat("0", 2*sha256.Size)

// encode returns the file, its checksum filled in.
func (m manifest) encode() ([]byte, error) {
	m.SHA256 = zeroSum
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b.Bytes())
	file := b.Bytes()
	copy(file[bytes.LastIndex(file, []byte(zeroSum)):], hex.EncodeToString(sum[:]))
	return file, nil
}

// gather lists shards, in their order, and adds up what they hold.
func (m *manifest) gather(shards []shardRecord) {
	var content contentSum
	var reencoded Reencoded
	for _, r := range shards {
		content.add(r.Content)
		reencoded.add(r.Reencoded)
		m.Bytes += r.Bytes
		if r.Info != nil {
			m.Rows += r.Info.Rows
			m.Shards = append(m.Shards, *r.Info)
		}
	}
	m.Content = content.String()
	if m.Reencoding != nil {
		m.Reencoding.Reencoded = reencoded
	}
}

// account makes sure that each image of a source is in a shard or among the bad ones, before duplicates are left out.
func (m *manifest) account(bad, images int) error {
	if m.Rows+bad != images {
		return fmt.Errorf("of %d images %d are in shards and %d bad ones in the quarantine: files were changed while, or after, they were written; "+
			"remove them and run it again", images, m.Rows, bad)
	}
	return nil
}

// write writes the manifest into a folder.
func (m *manifest) write(dir string, create func(string) (outputFile, error)) error {
	if m.Classes == nil {
		m.Classes = []string{}
	}
	if m.Shards == nil {
		m.Shards = []shardInfo{}
	}
	file, err := m.encode()
	if err != nil {
		return err
	}
	return writeFile(create, filepath.Join(dir, manifestName), file)
}

// summary is what Ingest and Merge return.
func (m *manifest) summary(kept int) Summary {
	s := Summary{Images: m.Rows, Bytes: m.Bytes, Shards: len(m.Shards), Kept: kept, Bad: m.quarantined()}
	if m.Duplicates != nil {
		s.Duplicates = m.Duplicates.Images
	}
	if m.Reencoding != nil {
		s.Reencoded = m.Reencoding.Reencoded
	}
	return s
}

// quarantined is the number of bad images.
func (m *manifest) quarantined() int {
	if m.Quarantine == nil {
		return 0
	}
	return m.Quarantine.Images
}

// readManifest reads and checks the manifest of a folder of shards.
func readManifest(dir string) (*manifest, error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no %s, so these are no shards, or an ingest that did not finish; run: "+
			"ingest -in SRC -out %s", dir, manifestName, strings.TrimSuffix(filepath.Clean(dir), partialSuffix))
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, manifestName), err)
	}
	return m, nil
}

func decodeManifest(b []byte) (*manifest, error) {
	var head struct {
		Format  string
		Version int
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, damagedManifest(err.Error())
	}
	if head.Format != formatName {
		return nil, fmt.Errorf("its format is %q, not %q: it was not written by ingest, or is damaged", head.Format, formatName)
	}
	if head.Version > formatVersion { // before the checksum, which a newer format may do in another way
		return nil, fmt.Errorf("format version %d is newer than the %d that this goclr reads; update it with "+
			"\"go install github.com/goclr/goclr/cmd/...@latest\", or write the shards again with this version's ingest",
			head.Version, formatVersion)
	}
	m := new(manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, damagedManifest(err.Error())
	}
	at := bytes.LastIndex(b, []byte(m.SHA256))
	if len(m.SHA256) != len(zeroSum) || at < 0 {
		return nil, damagedManifest("it has no checksum")
	}
	blank := bytes.Clone(b)
	copy(blank[at:], zeroSum)
	if sum := sha256.Sum256(blank); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, damagedManifest("its checksum does not match")
	}
	return m, m.check()
}

func damagedManifest(why string) error {
	return fmt.Errorf("the manifest is damaged (%s); copy it again from where the shards came from, or run ingest again", why)
}

var shardName = regexp.MustCompile(`^shard-\d{5,}\.arrow$`)

// check makes sure that the fields agree with one another.
func (m *manifest) check() error {
	if m.Version < 1 {
		return damagedManifest(fmt.Sprintf("version %d", m.Version))
	}
	rows := 0
	for _, s := range m.Shards {
		if !shardName.MatchString(s.File) || s.Rows < 1 || s.Bytes < 1 {
			return damagedManifest(fmt.Sprintf("shard %q of %d rows and %d bytes", s.File, s.Rows, s.Bytes))
		}
		rows += s.Rows
	}
	if p := m.Part; p != nil && (p.Index < 1 || p.Index > p.Of) {
		return damagedManifest(fmt.Sprintf("part %d of %d", p.Index, p.Of))
	}
	if rows != m.Rows || rows == 0 && m.Part == nil {
		return damagedManifest(fmt.Sprintf("%d rows in shards, %d in all", rows, m.Rows))
	}
	most := m.Rows
	if m.Duplicates != nil {
		most += m.Duplicates.Images
	}
	if r := m.Reencoding; r != nil && (r.Images < 0 || r.Images > most) {
		return damagedManifest(fmt.Sprintf("%d of %d images re-encoded", r.Images, most))
	}
	return nil
}

// isOf reports whether the folder holds what an ingest of src makes of it, whatever the size of shards.
func (m *manifest) isOf(src Dataset, o *IngestOptions) bool {
	var part partManifest
	if m.Part != nil {
		part = *m.Part
	}
	return m.Source == src.Fingerprint() && slices.Equal(m.Classes, src.Classes()) && part.Index == o.Part && part.Of == o.Parts &&
		m.choice() == (&manifest{Reencoding: o.Reencode.record(Reencoded{})}).choice() && m.Check == o.CheckName && (m.Duplicates != nil) == o.Deduplicate
}

// choice is how images are re-encoded, less what came of it.
func (m *manifest) choice() reencodingManifest {
	if m.Reencoding == nil {
		return reencodingManifest{}
	}
	c := *m.Reencoding
	c.Reencoded = Reencoded{}
	return c
}

// describe says in a few words what the folder holds.
func (m *manifest) describe() string {
	if m.Reencoding == nil {
		return fmt.Sprintf("%d images as they were", m.Rows)
	}
	return fmt.Sprintf("%d images, %d re-encoded by -max-side %d -quality %d",
		m.Rows, m.Reencoding.Images, m.Reencoding.MaxSide, m.Reencoding.Quality)
}

// fingerprint names the images as they are stored, and their order, however they are cut into shards.
func (m *manifest) fingerprint() string {
	d := newDigest("shards")
	d.list(m.Classes)
	d.text(m.Content)
	return d.sum()
}
