package datasets

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// mostExpanded bounds the names that the braces of a pattern make.
const mostExpanded = 100_000

// isPattern reports whether a name stands for several files.
func isPattern(name string) bool {
	_, name, _ = cutURL(name)
	return strings.ContainsAny(name, "*?[{")
}

// cutURL takes a URL apart. Of another name, all is the path.
func cutURL(name string) (scheme, path, query string) {
	if !isRemote(name) {
		return "", name, ""
	}
	scheme, path, _ = strings.Cut(name, "://")
	path, query, asked := strings.Cut(path, "?")
	if asked {
		query = "?" + query
	}
	return scheme + "://", path, query
}

// splitPattern returns the folder that all files of a pattern lie in, "." if it is the current one, and the pattern there.
func splitPattern(name string) (folder, pattern string) {
	scheme, name, query := cutURL(name)
	end := strings.LastIndexByte(name[:strings.IndexAny(name, "*?[{")], '/') + 1
	folder, pattern = name[:end], name[end:]
	if folder == "" {
		folder = "."
	}
	return scheme + folder + query, pattern
}

// openPattern opens the archives, or the tables, that a pattern stands for.
func openPattern(ctx context.Context, name, split string, o Options) (Dataset, error) {
	folder, pattern := splitPattern(name)
	var b Bucket = localBucket{folder}
	if isRemote(name) {
		var err error
		if b, err = openURL(ctx, folder); err != nil {
			return nil, err
		}
	}
	d, err := openMatches(ctx, b, pattern, split, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
	}
	return d, nil
}

func openMatches(ctx context.Context, b Bucket, pattern, split string, o Options) (Dataset, error) {
	names, err := expand(ctx, b, pattern)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(names, func(name string) bool { return !isTable(name) }) {
		return openTables(ctx, b, names, true, split, o)
	}
	return openArchives(ctx, b, names, split, o)
}

// expand returns the names that a pattern stands for: in the order of the braces, then in that of the bucket, each once.
func expand(ctx context.Context, b Bucket, pattern string) ([]string, error) {
	patterns, err := expandBraces(pattern)
	if err != nil {
		return nil, err
	}
	var list []string // of the bucket, where it is needed
	var names []string
	have := map[string]bool{}
	for _, p := range patterns {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found := []string{p}
		if strings.ContainsAny(p, "*?[") {
			if list == nil {
				if list, err = listNames(ctx, b); err != nil {
					return nil, err
				}
			}
			if found, err = match(p, list); err != nil {
				return nil, err
			}
		}
		for _, name := range found {
			if !have[name] {
				have[name] = true
				names = append(names, name)
			}
		}
	}
	return names, nil
}

func listNames(ctx context.Context, b Bucket) ([]string, error) {
	names := []string{}
	for info, err := range b.List(ctx) {
		if err != nil {
			return nil, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

// match returns the names that a pattern of path.Match stands for.
func match(pattern string, names []string) ([]string, error) {
	var found []string
	for _, name := range names {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern: *, ? and [a-z] stand for a part of a name (%w)", pattern, err)
		}
		if ok {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no file is called like %q", pattern)
	}
	return found, nil
}

// expandBraces returns what a name with braces stands for: "{00..12}" for the numbers with as many digits, "{a,b}" for each word.
func expandBraces(name string) ([]string, error) {
	before, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}, nil
	}
	inside, after, ok := strings.Cut(rest, "}")
	if !ok || strings.Contains(inside, "{") {
		return nil, braceError(name)
	}
	words, err := expandBrace(inside)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", braceError(name), err)
	}
	ends, err := expandBraces(after)
	if err != nil {
		return nil, err
	}
	if len(words)*len(ends) > mostExpanded {
		return nil, fmt.Errorf("%q stands for %d files, more than the %d allowed", name, len(words)*len(ends), mostExpanded)
	}
	var names []string
	for _, word := range words {
		for _, end := range ends {
			names = append(names, before+word+end)
		}
	}
	return names, nil
}

func braceError(name string) error {
	return fmt.Errorf("%q is no pattern: braces are like {000..123} or {train,val}, not in one another", name)
}

// expandBrace returns what the inside of braces stands for.
func expandBrace(inside string) ([]string, error) {
	from, to, isRange := strings.Cut(inside, "..")
	if !isRange {
		words := strings.Split(inside, ",")
		if len(words) == 1 {
			return nil, fmt.Errorf("{%s} is one word", inside)
		}
		return words, nil
	}
	first, err := strconv.ParseUint(from, 10, 32)
	last, err2 := strconv.ParseUint(to, 10, 32)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	step, count := 1, int(last)-int(first)
	if count < 0 {
		step, count = -1, -count
	}
	if count >= mostExpanded {
		return nil, fmt.Errorf("{%s} has more than %d numbers", inside, mostExpanded)
	}
	width := 0 // as in shells, of all if one begins with 0
	if len(from) > 1 && from[0] == '0' || len(to) > 1 && to[0] == '0' {
		width = max(len(from), len(to))
	}
	var words []string
	for k := range count + 1 {
		words = append(words, fmt.Sprintf("%0*d", width, int(first)+step*k))
	}
	return words, nil
}
