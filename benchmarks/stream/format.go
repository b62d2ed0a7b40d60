package main

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/goclr/goclr/pipeline"
)

// A writer takes the batches in turn. Close ends the stream.
type writer interface {
	Write(batch arrow.Record) error
	Close() error
}

// openArrow begins an Arrow IPC stream of the batches from number from on.
func openArrow(w io.Writer, p *pipeline.Pipeline, from int) (writer, error) {
	metadata := arrow.NewMetadata([]string{"plan_hash", "from"}, []string{p.Plan().Hash(), strconv.Itoa(from)})
	return ipc.NewWriter(w, ipc.WithSchema(arrow.NewSchema(p.Schema().Fields(), &metadata))), nil
}

// header is the first line of a raw stream.
type header struct {
	PlanHash string `json:"plan_hash"`
	From     int    `json:"from"`  // number of the first batch
	Shape    []int  `json:"shape"` // of the views of a batch, uint8
}

// rawWriter writes the views of batches and nothing else.
type rawWriter struct{ w io.Writer }

// openRaw writes the header of a raw stream.
func openRaw(w io.Writer, p *pipeline.Pipeline, from int) (writer, error) {
	plan, one := p.Plan(), p.Shape()
	shape := []int{plan.Batch, p.Views(), one.H, one.W, one.C}
	return rawWriter{w}, json.NewEncoder(w).Encode(header{plan.Hash(), from, shape})
}

func (r rawWriter) Write(batch arrow.Record) error {
	views, _, err := pipeline.Views(batch)
	if err != nil {
		return err
	}
	_, err = r.w.Write(views)
	return err
}

func (r rawWriter) Close() error { return nil }
