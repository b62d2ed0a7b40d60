package datasets

import "sync"

// Opening says how far an Open is.
type Opening struct {
	Images int   // listed so far
	Bytes  int64 // written to Options.TempDir so far, of what is unpacked or copied from a store
}

// listedAtOnce is how many images are listed before Options.Progress is told.
const listedAtOnce = 1000

// An openMeter counts what an Open does. Nil counts nothing.
type openMeter struct {
	mu     sync.Mutex
	now    Opening
	report func(Opening)
}

// metered returns options with a meter, if anybody wants to know.
func (o Options) metered() Options {
	if o.Progress != nil {
		o.meter = &openMeter{report: o.Progress}
	}
	return o
}

func (m *openMeter) add(images int, bytes int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Images += images
	m.now.Bytes += bytes
	m.report(m.now)
}
