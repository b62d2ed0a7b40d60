package datasets

// toldAtOnce is how many images pass, where each takes no time, before a progress function is called: smaller sets are done before anybody
// would read it.
const toldAtOnce = 10_000

// tellRarely returns what says how far something is that is quick for each image.
func tellRarely(doing string, progress func(IngestProgress)) func(done, total int) {
	return func(done, total int) {
		if progress != nil && done > 0 && done%toldAtOnce == 0 {
			progress(IngestProgress{Doing: doing, Done: done, Total: total})
		}
	}
}
