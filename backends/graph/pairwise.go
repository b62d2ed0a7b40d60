package graph

// The losses of table 2 of the SimCLR paper (Chen et al. 2020) beside NT-Xent. Both are means over triplets of a view, its
// positive and one negative. z [N, F] holds unit vectors; the positive of row i is row i XOR 1; all other rows but i itself are
// its negatives. (For table 4 the authors took those of one augmentation only, for simplicity, see appendix B.10.)
//
// Section 5.1 has a semi-hard variant of each, with the negatives "within the loss margin and closest in distance, but farther
// than positive examples" (Schroff et al. 2015). Here that is one negative a view: the nearest of those strictly farther than
// the positive, of equals the first. A view has none where all are as near as the positive or nearer. Gradients take the choice of
// negatives as given.

// NTLogistic is the normalised temperature-scaled logistic loss, a scalar: with similarities s = z transposed(z) / temperature,
// p that of a view with its positive, it is the mean over all N views of
//
//	-log sigmoid(p) - mean over the view's negatives of log sigmoid(-s).
//
// If semiHard, the second mean is over the one semi-hard negative, and left out where a view has none.
func (g *Graph) NTLogistic(z *Node, temperature float64, semiHard bool) *Node {
	checkPairs(OpNTLogistic, z)
	check(temperature > 0, "NTLogistic with temperature %g", temperature)
	return g.add(OpNTLogistic, Attr{Temperature: temperature, SemiHard: semiHard}, nil, z)
}

// NTLogisticGrad is the gradient of NTLogistic(z) with respect to z.
func (g *Graph) NTLogisticGrad(z *Node, temperature float64, semiHard bool) *Node {
	return g.add(OpNTLogisticGrad, Attr{Temperature: temperature, SemiHard: semiHard}, z.Shape, z)
}

// Triplet is the margin triplet loss, a scalar: with similarities s = z transposed(z), p that of a view with its positive, it is
// the mean over all N views of
//
//	mean over the view's negatives of max(0, s - p + margin).
//
// If semiHard, the second mean is over the one semi-hard negative, and 0 where a view has none; a negative beyond the margin adds
// nothing.
func (g *Graph) Triplet(z *Node, margin float64, semiHard bool) *Node {
	checkPairs(OpTriplet, z)
	check(margin >= 0, "Triplet with margin %g", margin)
	return g.add(OpTriplet, Attr{Margin: margin, SemiHard: semiHard}, nil, z)
}

// TripletGrad is the gradient of Triplet(z) with respect to z; a term that is exactly at the margin has none.
func (g *Graph) TripletGrad(z *Node, margin float64, semiHard bool) *Node {
	return g.add(OpTripletGrad, Attr{Margin: margin, SemiHard: semiHard}, z.Shape, z)
}

func checkPairs(op Op, z *Node) {
	check(len(z.Shape) == 2 && z.Shape[0]%2 == 0 && z.Shape[0] >= 4, "%s of %v: needs at least two pairs", op, z)
}
