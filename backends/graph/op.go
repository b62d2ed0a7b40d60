package graph

// An Op names an operation. Its meaning is documented at the Graph method of the same name.
type Op string

// The operations. Backends implement all of them.
const (
	OpImage  Op = "Image"  // Graph.Image
	OpLabels Op = "Labels" // Graph.Labels
	OpParam  Op = "Param"  // Graph.Param
	OpState  Op = "State"  // Graph.State
	OpSlot   Op = "Slot"   // Graph.Slot
	OpRate   Op = "Rate"   // Graph.Rate

	OpConv           Op = "Conv"
	OpConvGradInput  Op = "ConvGradInput"
	OpConvGradFilter Op = "ConvGradFilter"

	OpMoments             Op = "Moments"
	OpNormalize           Op = "Normalize"
	OpNormalizeGradInput  Op = "NormalizeGradInput"
	OpNormalizeGradParams Op = "NormalizeGradParams"

	OpReLU        Op = "ReLU"
	OpReLUGrad    Op = "ReLUGrad"
	OpMaxPool     Op = "MaxPool"
	OpMaxPoolGrad Op = "MaxPoolGrad"
	OpAvgPool     Op = "AvgPool"
	OpAvgPoolGrad Op = "AvgPoolGrad"

	OpMatMul  Op = "MatMul"
	OpAddBias Op = "AddBias"
	OpSumRows Op = "SumRows"

	OpL2Normalize     Op = "L2Normalize"
	OpL2NormalizeGrad Op = "L2NormalizeGrad"
	OpNTXent          Op = "NTXent"
	OpNTXentGrad      Op = "NTXentGrad"
	OpPairAccuracy    Op = "PairAccuracy"
	OpSpread          Op = "Spread"

	OpCrossEntropy     Op = "CrossEntropy"
	OpCrossEntropyGrad Op = "CrossEntropyGrad"
	OpLabelAccuracy    Op = "LabelAccuracy"

	OpAdd   Op = "Add"
	OpScale Op = "Scale"
	OpLerp  Op = "Lerp"
	OpRow   Op = "Row"
	OpStack Op = "Stack"

	OpVelocity     Op = "Velocity"
	OpLARSVelocity Op = "LARSVelocity"
	OpDescend      Op = "Descend"
)
