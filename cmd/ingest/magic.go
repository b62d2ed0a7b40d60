package main

import (
	"bytes"
	"cmp"
	"strings"
	"unicode/utf8"

	"github.com/goclr/goclr/stages"
)

// notRead are kinds of files that stand where an image should, by what they begin with.
var notRead = []struct{ prefix, name string }{
	{"BM", "BMP"},
	{"8BPS", "Photoshop"},
	{"\x00\x00\x01\x00", "icon"},
	{"\xff\x0a", "JPEG XL"},
	{"\x00\x00\x00\x0cJXL ", "JPEG XL"},
	{"\x00\x00\x00\x0cjP  ", "JPEG 2000"},
	{"%PDF", "PDF"},
	{"\x1f\x8b", "gzip"},
	{"PK\x03\x04", "zip"},
	{"version https://git-lfs", "Git LFS pointer"},
}

// brands are those of files that begin as MP4 does.
var brands = map[string]string{"avif": "AVIF", "avis": "AVIF", "heic": "HEIF", "heix": "HEIF", "mif1": "HEIF"}

// format names what the bytes of an image are, by what they begin with, not by the name, and tells the size where its header does.
func format(b []byte) (name string, width, height int) {
	if h, _ := stages.ReadHeader(b); h.Format != "" {
		return h.Format, h.W, h.H
	}
	return otherFormat(b), 0, 0
}

// otherFormat names what is no image that can be read.
func otherFormat(b []byte) string {
	if len(b) == 0 {
		return "empty"
	}
	for _, k := range notRead {
		if bytes.HasPrefix(b, []byte(k.prefix)) {
			return k.name
		}
	}
	head := b[:min(len(b), 512)]
	switch {
	case len(b) > 12 && string(b[4:8]) == "ftyp":
		return cmp.Or(brands[string(b[8:12])], "ISO media")
	case len(bytes.Trim(head, "\x00")) == 0:
		return "zeros"
	case isText(head):
		text := strings.ToLower(strings.TrimSpace(string(head)))
		switch {
		case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
			return "HTML page"
		case strings.Contains(text, "<svg"):
			return "SVG"
		}
		return "text"
	}
	return "unknown"
}

// isText reports whether the beginning of a file is UTF-8 without control characters, but for a character that is cut at its end.
func isText(head []byte) bool {
	for i, r := range string(head) {
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == utf8.RuneError && i < len(head)-utf8.UTFMax {
			return false
		}
	}
	return true
}
