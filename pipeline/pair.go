package pipeline

import "errors"

// Pair applies the stages twice to the same pixels, with random numbers of their own for each view: the two views of an
// image that SimCLR pulls together (section 2.1 of the paper). It must be the last stage given to New; the stages before
// it run once a sample.
func Pair(stages ...Stage) Stage { return PairOf(stages, stages) }

// PairOf is Pair with a chain of stages for each view, for asymmetric augmentation. Both chains must end in the same
// shape. Stages of the same name draw different numbers in the two views, as they do in Pair.
func PairOf(first, second []Stage) Stage { return &pair{views: [2][]Stage{first, second}} }

type pair struct{ views [2][]Stage }

// Apply fails: a sample has room for one image, so only a Pipeline can run a pair.
func (p *pair) Apply(*Sample) error {
	return errors.New("pipeline: a Pair has no result of its own; give it to New as the last stage")
}

// Named gives a stage a name other than that of its type: for a StageFunc, which has none, or to keep the random numbers of
// a stage when its type is renamed. A name may not contain '#'.
func Named(name string, s Stage) Stage { return &named{name: name, stage: s} }

type named struct {
	name  string
	stage Stage
}

// Apply calls the named stage.
func (n *named) Apply(s *Sample) error { return n.stage.Apply(s) }
