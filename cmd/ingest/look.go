package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/stream"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/stages"
)

const lookHelp = `
ingest look shows the bad images that an ingest or a training has set aside: what they are, where they failed, and why.

  ingest look QUARANTINE [flags]

QUARANTINE is a folder of shards, the directory of a run, or a file such as the DIR.quarantine.arrow that an ingest with too many bad images leaves.
It may be a URL, such as s3://bucket/shards: the bad images are fetched to the folder of TMPDIR first.

Examples:
  ingest look shards                                list the first of them
  ingest look shards -stage decode -match truncated -n 0
  ingest look runs/a -show train/dog/0590.jpg       all that is known of one
  ingest look shards -extract bad                   write them to files, as they came
  ingest look shards -retry -extract again          decode them with this version: those that decode go to again/good, others to again/bad
`

// A looker is one call of look.
type looker struct {
	stage   string
	match   *regexp.Regexp
	show    string
	extract string
	retry   bool
	limit   int // images to list

	maxPixels, workers int

	table *table
	line  *cli.Line

	all, chosen, listed, good, files, empty int
	bytes                                   int64
	stages                                  tally
}

func look(ctx context.Context, args []string) error {
	l := &looker{stages: tally{}}
	f := cli.NewFlags("ingest look", lookHelp)
	f.StringVar(&l.stage, "stage", "", "only those that failed at this `stage`: read, decode, reencode, key, or one of the pipeline")
	match := f.String("match", "", "only those whose key or error this regular `expression` matches")
	f.StringVar(&l.show, "show", "", "tell all of the image with this `key`")
	f.StringVar(&l.extract, "extract", "", "write the images to this new `folder`")
	f.BoolVar(&l.retry, "retry", false, "decode each again, and tell which decode now: what failed at another stage may fail there still")
	f.IntVar(&l.limit, "n", 20, "images to list; 0 for all")
	f.IntVar(&l.workers, "workers", runtime.NumCPU(), "images decoded at once by -retry")
	maxPixels := maxPixelsFlag(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	l.maxPixels = *maxPixels
	l.match, err = regexp.Compile(*match)
	switch {
	case f.NArg() != 1:
		return cli.Usagef("look takes one quarantine: a folder of shards, a run, or a file %s; it has %d arguments", datasets.QuarantineName, f.NArg())
	case err != nil:
		return cli.Usagef("-match: %v", err)
	case l.limit < 0:
		return cli.Usagef("-n %d: it must be at least 0, which lists all", l.limit)
	case l.workers < 1:
		return cli.Usagef("-workers %d: it must be at least 1", l.workers)
	case badLimit(l.maxPixels) != nil:
		return cli.Usagef("-max-pixels %d: %v", l.maxPixels, badLimit(l.maxPixels))
	}
	return l.run(ctx, f.Arg(0))
}

func (l *looker) run(ctx context.Context, name string) (err error) {
	local := name
	if isURL(name) {
		if local, err = os.MkdirTemp("", "goclr-look-*"); err != nil {
			return fmt.Errorf("there is no place to fetch %s to: %w; name another folder in TMPDIR", name, err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(local)) }()
		if err := datasets.FetchQuarantine(ctx, name, local); err != nil {
			return err
		}
	}
	if err := l.makeFolders(); err != nil {
		return err
	}
	l.table = newTable(os.Stdout, "lrlll")
	l.line = cli.NewLine(os.Stderr)
	err = l.images(ctx, local)
	l.line.Close()
	if _, found := os.Stat(local); errors.Is(err, fs.ErrNotExist) && found == nil {
		fmt.Printf("%s has no bad images: there is no %s in it\n", name, datasets.QuarantineName)
		return nil
	}
	if err != nil {
		return err
	}
	if l.show != "" && l.chosen == 0 {
		return fmt.Errorf("%s: none of %d bad images is called %q", name, l.all, l.show)
	}
	if l.show == "" {
		if err := l.table.flush(); err != nil {
			return err
		}
	}
	l.summary(name)
	return nil
}

// columns leaves the last one out unless images are tried again.
func (l *looker) columns(c ...string) []string {
	if l.retry {
		return c
	}
	return c[:len(c)-1]
}

// makeFolders makes those that images are extracted to. Files of others there could be taken for bad images.
func (l *looker) makeFolders() error {
	if l.extract == "" {
		return nil
	}
	if entries, err := os.ReadDir(l.extract); err == nil && len(entries) > 0 {
		return fmt.Errorf("-extract %s: the folder holds %s already: name another, or empty it", l.extract, entries[0].Name())
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("-extract: %w", err)
	}
	folders := []string{l.extract}
	if l.retry {
		folders = []string{l.folder(true), l.folder(false)}
	}
	for _, f := range folders {
		if err := os.MkdirAll(f, 0o777); err != nil {
			return fmt.Errorf("-extract: %w", err)
		}
	}
	return nil
}

// folder is where an image is extracted to.
func (l *looker) folder(good bool) string {
	switch {
	case !l.retry:
		return l.extract
	case good:
		return filepath.Join(l.extract, "good")
	}
	return filepath.Join(l.extract, "bad")
}

// images takes one image after the other, while those behind it are decoded.
func (l *looker) images(ctx context.Context, name string) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	tasks := stream.New().WithMaxGoroutines(l.workers)
	for bad, err := range datasets.ReadQuarantine(name) {
		if err != nil {
			stop(err)
			break
		}
		if ctx.Err() != nil {
			break
		}
		l.all++
		if !l.chooses(&bad) {
			continue
		}
		number := l.chosen
		l.chosen++
		if bad.Bytes != nil && (l.retry || l.extract != "" || l.show != "") {
			bad.Bytes = append([]byte{}, bad.Bytes...) // it is used when the file may be closed
		}
		tasks.Go(func() stream.Callback {
			now, good := l.again(&bad)
			return func() {
				if ctx.Err() == nil {
					if err := l.take(number, &bad, now, good); err != nil {
						stop(err)
					}
				}
			}
		})
	}
	tasks.Wait()
	return context.Cause(ctx)
}

func (l *looker) chooses(b *datasets.BadImage) bool {
	return (l.stage == "" || strings.EqualFold(l.stage, b.Stage)) && (l.show == "" || l.show == b.Key) &&
		(l.match.MatchString(b.Key) || l.match.MatchString(b.Reason))
}

// again decodes an image again, if that is asked for, and says what came of it.
func (l *looker) again(b *datasets.BadImage) (now string, good bool) {
	switch {
	case !l.retry:
		return "", false
	case b.Bytes == nil:
		return "no bytes", false
	}
	var w, h int
	err := safely(func() (err error) {
		w, h, err = stages.Check(b.Bytes, l.maxPixels)
		return err
	})
	switch {
	case err != nil && err.Error() == b.Reason:
		return "bad still", false
	case err != nil:
		return "bad: " + err.Error(), false
	}
	return fmt.Sprintf("decodes: %d x %d", w, h), true
}

// safely decodes an image. A panic of the decoder is an error.
func safely(decode func() error) (err error) {
	if caught := panics.Try(func() { err = decode() }); caught != nil {
		return fmt.Errorf("the decoder panicked: %v", caught.Value)
	}
	return err
}

// take counts an image, lists or shows it, and extracts it.
func (l *looker) take(number int, b *datasets.BadImage, now string, good bool) error {
	if l.limit > 0 && (l.retry || l.extract != "") { // or else the list itself shows how it goes
		text := counted(number+1, "bad image")
		if l.retry {
			text += fmt.Sprintf(", %d decode now", l.good)
		}
		l.line.Show(text)
	}
	l.stages.add(b.Stage, 1)
	l.bytes += int64(len(b.Bytes))
	if good {
		l.good++
	}
	if b.Bytes == nil {
		l.empty++
	}
	if l.show != "" {
		l.page(b, now)
	} else if l.limit == 0 || l.listed < l.limit {
		if l.listed == 0 {
			if err := l.table.row(l.columns("stage", "bytes", "key", "error", "now")...); err != nil {
				return err
			}
		}
		l.listed++
		bytes := "-"
		if b.Bytes != nil {
			bytes = fmt.Sprint(len(b.Bytes))
		}
		if err := l.table.row(l.columns(b.Stage, bytes, b.Key, b.Reason, now)...); err != nil {
			return err
		}
	}
	if l.extract == "" || b.Bytes == nil {
		return nil
	}
	l.files++
	file := filepath.Join(l.folder(good), fmt.Sprintf("%08d-%s", number, fileName(b.Key)))
	return cli.WriteFile(file, func(w io.WriteSeeker) error { _, err := w.Write(b.Bytes); return err })
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fileName is the last part of a key, as it is safe for a file.
func fileName(key string) string {
	name := unsafeInName.ReplaceAllString(path.Base(key), "_")
	return name[max(0, len(name)-100):]
}

// page tells all of one image.
func (l *looker) page(b *datasets.BadImage, now string) {
	line := func(name, value string) { fmt.Printf("%-7s %s\n", name, printable(value)) }
	line("key", b.Key)
	line("id", fmt.Sprint(b.ID))
	line("label", fmt.Sprint(b.Label))
	line("stage", b.Stage)
	line("error", b.Reason)
	if l.retry {
		line("now", now)
	}
	if b.Bytes == nil {
		line("bytes", "none: the source gave none")
		return
	}
	line("bytes", fmt.Sprint(len(b.Bytes)))
	name, w, h := format(b.Bytes)
	if w > 0 && h > 0 {
		name += fmt.Sprintf(", its header says %d x %d pixels", w, h)
	}
	line("format", name)
	if len(b.Bytes) == 0 {
		return
	}
	for i, row := range bytes.Split(bytes.TrimSpace([]byte(hex.Dump(b.Bytes[:min(len(b.Bytes), 64)]))), []byte("\n")) {
		line([]string{"begins", ""}[min(i, 1)], string(row))
	}
}

// summary says how many there were.
func (l *looker) summary(name string) {
	if l.show == "" {
		fmt.Printf("%s: %s, with %s", name, counted(l.chosen, "bad image"), size(l.bytes))
		if l.chosen < l.all {
			fmt.Printf(", of %d", l.all)
		}
		for i, c := range l.stages.sorted() {
			fmt.Printf("%s %d at %s", []string{":", ","}[min(i, 1)], c.Images, printable(c.Name))
		}
		fmt.Println()
		if l.listed < l.chosen {
			fmt.Printf("%d of them are listed; -n 0 lists all\n", l.listed)
		}
	}
	if l.retry {
		fmt.Printf("%d of %d decode now\n", l.good, l.chosen)
	}
	if l.extract != "" {
		fmt.Printf("%s written to %s", counted(l.files, "file"), l.extract)
		if l.empty > 0 {
			fmt.Printf("; of %s there are no bytes", counted(l.empty, "image"))
		}
		fmt.Println()
	}
}
