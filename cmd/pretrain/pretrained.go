package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goclr/goclr/simclr"
)

// pretrained reads the weights of -init and records them in the configuration; without -init there are none. A resumed run goes
// on with its own weights, so it needs the file no more, and records what it began with.
func (s *settings) pretrained(c *simclr.Config) (*simclr.Pretrained, error) {
	c.InitSHA256 = s.resumedInit
	if s.init == "" || s.resumedInit != "" {
		return &simclr.Pretrained{}, nil
	}
	p, err := simclr.ReadPretrained(s.init, c.Model)
	if errors.Is(err, simclr.ErrMisfit) {
		return nil, fmt.Errorf("-init: %w (flags -encoder, -width and -image-size)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("-init: %w", err)
	}
	c.InitSHA256 = p.SHA256
	return p, nil
}

// shownUnused is how many names of unused tensors are worth a line.
const shownUnused = 4

// taken says what of the file of -init the run begins with.
func (s *settings) taken(p *simclr.Pretrained) string {
	text := fmt.Sprintf("%d tensors of %s (sha256 %.12s) to begin with", len(p.Weights), s.init, p.SHA256)
	if n := len(p.Unused); n > shownUnused {
		return fmt.Sprintf("%s; not used: %s and %d more", text, strings.Join(p.Unused[:shownUnused], ", "), n-shownUnused)
	} else if n > 0 {
		return fmt.Sprintf("%s; not used: %s", text, strings.Join(p.Unused, ", "))
	}
	return text
}
