package graph

import "slices"

// Adam (Kingma & Ba 2015, algorithm 1) is two moving averages for each parameter, a count of steps for all of them, and the
// update of the parameter from these. Weight decay enters the gradient, as the L2 term does that SimCLR's reference
// implementation adds to the loss.

// Count is n + 1, of a scalar: the number of this step, if n counts the steps before it.
func (g *Graph) Count(n *Node) *Node {
	check(len(n.Shape) == 0, "Count of %v", n)
	return g.add(OpCount, Attr{}, nil, n)
}

// AdamMean is the moving average of gradients: beta*m + (1-beta)*(grad + decay*p).
func (g *Graph) AdamMean(m, p, grad *Node, beta, decay float64) *Node {
	return g.adamAverage(OpAdamMean, m, p, grad, beta, decay)
}

// AdamSquare is the moving average of squared gradients: beta*v + (1-beta)*(grad + decay*p)^2, element by element.
func (g *Graph) AdamSquare(v, p, grad *Node, beta, decay float64) *Node {
	return g.adamAverage(OpAdamSquare, v, p, grad, beta, decay)
}

func (g *Graph) adamAverage(op Op, average, p, grad *Node, beta, decay float64) *Node {
	check(slices.Equal(average.Shape, p.Shape) && slices.Equal(p.Shape, grad.Shape), "%s of %v, %v, %v", op, average, p, grad)
	check(beta >= 0 && beta < 1, "%s with beta %g", op, beta)
	return g.add(op, Attr{Factor: beta, Decay: decay}, p.Shape, average, p, grad)
}

// AdamDescend is p - rate * M / (sqrt(V) + eps), where M = m / (1 - beta1^step) and V = v / (1 - beta2^step) are AdamMean with
// beta1 and AdamSquare with beta2 without their bias to the zero they began with. step is Count, 1 at the first step.
func (g *Graph) AdamDescend(p, m, v, rate, step *Node, beta1, beta2, eps float64) *Node {
	check(slices.Equal(m.Shape, p.Shape) && slices.Equal(v.Shape, p.Shape), "AdamDescend of %v by %v, %v", p, m, v)
	return g.add(OpAdamDescend, Attr{Beta1: beta1, Beta2: beta2, Eps: eps}, p.Shape, p, m, v, rate, step)
}
