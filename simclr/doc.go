// Package simclr is SimCLR (Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020)
// written once as a graph that any backend runs: encoder, projection head, loss, optimiser and schedule.
//
// Run.Train runs and resumes a pretraining. OpenEncoder gives a program the features of a trained encoder, and Finetune trains it on
// labels. ReadPretrained takes weights from elsewhere.
package simclr
