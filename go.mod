module github.com/goclr/goclr

go 1.24.0

require (
	github.com/apache/arrow/go/v17 v17.0.0 // indirect
	github.com/h2non/bimg v1.1.9 // indirect
	github.com/sourcegraph/conc v0.3.0 // indirect
	github.com/yalue/onnxruntime_go v1.27.0 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/sys v0.33.0 // indirect
	golang.org/x/term v0.32.0 // indirect
	google.golang.org/protobuf v1.36.10 // indirect
)
