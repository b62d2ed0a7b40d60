package main

import (
	"bytes"
	"slices"
)

// A hash is the beginning of the SHA-256 of an image: two of a billion images share one by chance once in 10^20 data sets.
type hash [16]byte

// duplicates are images whose bytes are those of another.
type duplicates struct {
	Copies    int `json:"copies"`    // images that could go without losing one
	Originals int `json:"originals"` // different images that have copies
}

// findDuplicates sorts the hashes.
func findDuplicates(hashes []hash) (d duplicates) {
	slices.SortFunc(hashes, func(a, b hash) int { return bytes.Compare(a[:], b[:]) })
	for i := 1; i < len(hashes); i++ {
		if hashes[i] == hashes[i-1] {
			d.Copies++
			if i == 1 || hashes[i-1] != hashes[i-2] {
				d.Originals++
			}
		}
	}
	return d
}
