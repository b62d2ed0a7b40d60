package blob

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/sourcegraph/conc"
	"gocloud.dev/blob"

	"github.com/goclr/goclr/datasets"
)

// A plan says how a bucket is listed: page after page, and, where there are many, by the folders in it, several at once.
type plan struct {
	page    int // objects that are asked for at once
	pages   int // of a part, before its folders are looked for; 0: they never are
	levels  int // of folders that are looked for at once
	entries int // pages of a folder's own entries; one with more stays whole
	worth   int // objects that there must be for each entry
	atOnce  int // parts that are listed at once
	ahead   int // pages that each of them keeps
}

// usual is what suits a store that tells 1,000 objects in some 80 ms.
var usual = plan{page: 1000, pages: 8, levels: 4, entries: 32, worth: 100, atOnce: 16, ahead: 4}

// planOf returns the plan for a store. It lists folders apart where objects are documented to come by the bytes of their names, with and
// without a delimiter. Azure's accounts with folders of their own may have another order, and files need no requests.
func planOf(scheme string) plan {
	p := usual
	if scheme != "s3" && scheme != "gs" {
		p.pages = 0
	}
	if scheme == "file" {
		p.page = mostFiles
	}
	return p
}

// A part is some of the objects of a bucket: all with names that begin with that of a folder, or single ones between two folders.
type part struct {
	folder  string // ends in a slash; "": the whole bucket
	whole   string // what is asked for: that folder, or one around it
	token   []byte // where the next page begins; nil: there is none
	found   *page  // that comes before it
	ahead   chan page
	stop    context.CancelFunc // of what fills ahead
	sample  sample
	attempt int // pages in the sample, when the folders in the part are looked for
}

func (b *bucket) newPart(folder string) *part {
	return &part{folder: folder, whole: folder, token: blob.FirstPageToken, attempt: b.plan.pages}
}

// A page is what a request tells.
type page struct {
	objects []datasets.ObjectInfo
	next    []byte // where the page after it begins; nil: there is none
	err     error
}

// A sample is what a part has held so far.
type sample struct {
	pages, objects int
	first, last    string
	disorder       bool // names that do not ascend
}

func (s *sample) add(p page) {
	s.pages++
	s.objects += len(p.objects)
	for _, o := range p.objects {
		if s.first == "" {
			s.first = o.Name
		}
		s.disorder = s.disorder || o.Name <= s.last && o.Name != ""
		s.last = o.Name
	}
}

// A listing goes through the parts of a bucket in order.
type listing struct {
	*bucket
	parts   []*part
	workers conc.WaitGroup
}

// list calls yield with all that lies below the prefix, page by page, until that returns false or a page has an error.
func (b *bucket) list(ctx context.Context, yield func(page) bool) {
	l := &listing{bucket: b, parts: []*part{b.newPart("")}}
	defer l.workers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for len(l.parts) > 0 {
		l.begin(ctx)
		p := l.parts[0]
		here := l.next(ctx, p)
		if !yield(here) || here.err != nil {
			return
		}
		p.sample.add(here)
		switch {
		case here.next == nil:
			l.leave()
		case p.sample.pages == p.attempt && !p.sample.disorder:
			l.divide(ctx)
		}
	}
}

// begin has parts behind the first one be listed ahead.
func (l *listing) begin(ctx context.Context) {
	n := 0
	for _, p := range l.parts[1:] {
		if p.token == nil {
			continue
		}
		if n++; n > l.plan.atOnce {
			return
		}
		if p.ahead == nil {
			p.ahead = make(chan page, l.plan.ahead)
			var own context.Context
			own, p.stop = context.WithCancel(ctx)
			l.workers.Go(func() { l.run(own, p) })
		}
	}
}

// run lists a part ahead.
func (l *listing) run(ctx context.Context, p *part) {
	defer close(p.ahead)
	for token := p.token; token != nil; {
		here := l.fetch(ctx, p.whole, token)
		token = here.next
		select {
		case p.ahead <- here:
		case <-ctx.Done():
			return
		}
	}
}

// next returns the next page of a part.
func (l *listing) next(ctx context.Context, p *part) (here page) {
	switch {
	case ctx.Err() != nil:
		return page{err: ctx.Err()}
	case p.found != nil:
		here, p.found = *p.found, nil
	case p.ahead == nil:
		here = l.fetch(ctx, p.whole, p.token)
		p.token = here.next
	default:
		var ok bool
		if here, ok = <-p.ahead; !ok { // the last page tells that it is, so ctx has ended
			return page{err: ctx.Err()}
		}
	}
	for i, o := range here.objects {
		if !strings.HasPrefix(o.Name, p.folder) {
			return page{objects: here.objects[:i]}
		}
	}
	return here
}

// fetch asks for a page of what lies below a folder.
func (l *listing) fetch(ctx context.Context, folder string, token []byte) page {
	objects, next, err := l.page(ctx, token, &blob.ListOptions{Prefix: l.prefix + folder})
	if err == nil && l.scheme == "file" {
		err = inOrder(objects, next)
	}
	if err != nil {
		return page{err: err}
	}
	here := page{objects: make([]datasets.ObjectInfo, len(objects)), next: next}
	for i, o := range objects {
		here.objects[i] = l.info(o)
	}
	return here
}

// mostFiles is how many files are listed, all at once: gocloud walks through a folder for each page, and takes what comes after the last
// name of the one before, which leaves out a-b/ after a/ where a page ends in that.
const mostFiles = 1 << 20

// inOrder sorts files, which a walk meets in another order.
func inOrder(files []*blob.ListObject, next []byte) error {
	if next != nil {
		return fmt.Errorf("more than %d files: name the folder without file://", mostFiles)
	}
	slices.SortFunc(files, func(a, b *blob.ListObject) int { return strings.Compare(a.Key, b.Key) })
	return nil
}

// info drops what else gocloud keeps of an object.
func (l *listing) info(o *blob.ListObject) datasets.ObjectInfo {
	return datasets.ObjectInfo{Name: strings.TrimPrefix(o.Key, l.prefix), Size: o.Size}
}

// leave ends the first part.
func (l *listing) leave() {
	if stop := l.parts[0].stop; stop != nil {
		stop()
	}
	l.parts = l.parts[1:]
}

// divide puts parts in place of what is left of the first one, if its folders are large. The first one stays for the folder in which its
// last page ended. An error leaves it whole: if it lasts, the next page tells.
func (l *listing) divide(ctx context.Context) {
	p := l.parts[0]
	s := p.sample
	var parts []*part
	folder, open := p.folder, true // open: what follows in the folder of the last page is still to be listed
	for level := 0; level < l.plan.levels && open && strings.HasPrefix(s.first, folder); level++ {
		around, after, ok := l.entries(ctx, folder, s)
		if !ok {
			break
		}
		parts = append(after, parts...)
		folder, open = around, around != ""
	}
	if !l.allows(ctx, parts) {
		p.attempt *= 2
		return
	}
	if open {
		p.folder, p.sample, p.attempt = folder, sample{last: s.last}, l.plan.pages
		parts = append([]*part{p}, parts...)
		l.parts = l.parts[1:]
	} else {
		l.leave()
	}
	l.parts = append(parts, l.parts...)
}

// allows asks for the first page of the first folder among parts: there are accounts that may list one prefix and none below it.
func (l *listing) allows(ctx context.Context, parts []*part) bool {
	for _, p := range parts {
		if p.token != nil {
			here := l.fetch(ctx, p.whole, p.token)
			p.found, p.token = &here, here.next
			return here.err == nil
		}
	}
	return false
}

// entries returns the entries of a folder that come after a sample of it, and the folder among them in which the sample ended, "" if it
// did in none. It is not ok if there are too many for the objects in the sample, or their order is not that of the objects.
func (l *listing) entries(ctx context.Context, folder string, s sample) (around string, after []*part, ok bool) {
	until, last := 0, "" // until: entries that do not come after the sample
	for token, pages := blob.FirstPageToken, 0; token != nil; pages++ {
		if pages == l.plan.entries {
			return "", nil, false
		}
		var entries []*blob.ListObject
		var err error
		entries, token, err = l.page(ctx, token, &blob.ListOptions{Prefix: l.prefix + folder, Delimiter: "/"})
		if err != nil {
			return "", nil, false
		}
		for _, e := range entries {
			o := l.info(e)
			if o.Name <= last && o.Name != "" || !isPlain(e) {
				return "", nil, false
			}
			last = o.Name
			if o.Name > s.last {
				after = l.put(after, o, e.IsDir)
				continue
			}
			if e.IsDir && strings.HasPrefix(s.last, o.Name) {
				around = o.Name
			}
			if until++; until*l.plan.worth > s.objects {
				return "", nil, false
			}
		}
	}
	return around, after, true
}

// put adds an entry to parts, without asking for those that List leaves out.
func (l *listing) put(parts []*part, o datasets.ObjectInfo, isFolder bool) []*part {
	switch {
	case isHidden(o.Name):
		return parts
	case isFolder:
		return append(parts, l.newPart(o.Name))
	case len(parts) == 0 || parts[len(parts)-1].found == nil:
		parts = append(parts, &part{found: &page{}})
	}
	found := parts[len(parts)-1].found
	found.objects = append(found.objects, o)
	return parts
}

// isPlain reports whether the name of an entry is the same for gocloud, which escapes some characters, as for the store: only then can
// it be asked for, and has its place in the order.
func isPlain(e *blob.ListObject) bool {
	var object types.Object
	var folder types.CommonPrefix
	var google storage.ObjectAttrs
	name := ""
	switch {
	case e.As(&object):
		name = aws.ToString(object.Key)
	case e.As(&folder):
		name = aws.ToString(folder.Prefix)
	case e.As(&google):
		name = google.Prefix + google.Name // there is one of them
	}
	isControl := func(r rune) bool { return r < ' ' }
	return name == e.Key && !strings.Contains(name, "../") && !strings.ContainsFunc(name, isControl)
}
