package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A bench runs commands in a folder of its own.
type bench struct {
	images   int
	delay    time.Duration
	programs string
	dir      string
	server   string // URL of the store
}

// A job is a command, and what is left of it in the bench's folder that no later one needs.
type job struct {
	command string
	all     bool // it goes over all images
	remove  string
}

// run prints the table.
func (b *bench) run(ctx context.Context, programs, temp string) (err error) {
	if b.programs, err = filepath.Abs(programs); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(temp, "scale-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	c, err := newCollection()
	if err != nil {
		return err
	}
	if err := c.writeArchive(ctx, filepath.Join(b.dir, "images.tar"), b.images); err != nil {
		return err
	}
	server := httptest.NewServer(&store{c, b.images, b.delay})
	defer server.Close()
	b.server = server.URL
	fmt.Printf("%d images; the store answers after %v\n\n", b.images, b.delay)
	fmt.Print("| command | s | images/s | memory, MiB | mapped pages of files, MiB |\n|---|--:|--:|--:|--:|\n")
	for _, j := range []job{
		{"ingest -in images.tar -out part -part 1/100 -shard-mb 16", false, "part"},
		{"ingest -in s3://bucket/photos -out far -part 1/100 -shard-mb 16", false, "far"},
		{"ingest -in images.tar -out split -split train=0.99,val=0.01 -dedupe", true, "split"},
		{"ingest -in images.tar -out shards", true, "images.tar"},
		{"ingest stat shards", true, ""},
		{"ingest verify shards", true, ""},
		{"pretrain -data shards -out run -image-size 32 -width 0.25 -batch 64 -epochs 1 -max-steps 10", false, "run"},
		{"ingest -in shards -out again -part 1/100 -shard-mb 16", false, "again"},
	} {
		if err := b.job(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// job runs a command and prints its row.
func (b *bench) job(ctx context.Context, j job) error {
	words := strings.Fields(j.command)
	cmd := exec.CommandContext(ctx, filepath.Join(b.programs, words[0]), words[1:]...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+b.server, "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_CONFIG_FILE="+os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	done, peaks := make(chan struct{}), make(chan peak)
	go func() { peaks <- watch(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	seconds := time.Since(begin).Seconds()
	close(done)
	p := <-peaks
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", j.command, err, output.String())
	}
	rate := ""
	if j.all {
		rate = fmt.Sprintf("%.0f", float64(b.images)/seconds)
	}
	fmt.Printf("| `%s` | %.1f | %s | %d | %d |\n", j.command, seconds, rate, p.own>>10, p.mapped>>10)
	if j.remove == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(b.dir, j.remove))
}
