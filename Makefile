# `make help` lists what there is. Everything works on a fresh Debian or Ubuntu with Go, and again on a prepared one.

# The demo takes two minutes on two cores, setting up apart. Every value can be given on the command line, as in:
# make demo DEMO_EPOCHS=24
DEMO_RUN    := runs/demo-$(shell date +%Y%m%d-%H%M%S)
DEMO_DATA   := synthetic:n=3200
DEMO_BATCH  := 64
DEMO_EPOCHS := 12
DEMO_FLAGS  := -lr 0.05

# Tests and benchmarks: which packages, and further flags of the go command.
PACKAGES := ./...
GOTEST   :=
BENCH    := .

# The linter is built by the installed Go, outside the checkout, once for each version of either.
GOLANGCI_VERSION := v2.13.2
CACHE_HOME       := $(or $(GOCLR_CACHE),$(XDG_CACHE_HOME),$(HOME)/.cache)
GOLANGCI          = $(CACHE_HOME)/goclr/golangci-lint-$(GOLANGCI_VERSION)-$(shell go env GOVERSION)/golangci-lint

# Building needs no version control: a clone owned by another user, where git refuses to answer, builds all the same.
GORUN := go run -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench bench-peers lint

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

setup: ## install what is missing: system packages, the ONNX Runtime library; then build
	@sh .ci/setup.sh
	go build -buildvcs=false ./...

demo: setup ## train an encoder on generated images, minutes on two cores, and evaluate it
	$(GORUN) ./cmd/pretrain -data $(DEMO_DATA) -out $(DEMO_RUN) -batch $(DEMO_BATCH) -epochs $(DEMO_EPOCHS) \
		-eval-every 1 -eval-limit 1000 $(DEMO_FLAGS)
	$(GORUN) ./cmd/evaluate knn -run $(DEMO_RUN) -train $(DEMO_DATA) -test '$(DEMO_DATA)#test'

test: setup ## run every test
	go test -timeout 20m $(GOTEST) $(PACKAGES)

bench: setup ## run the Go benchmarks; BENCH=regexp chooses
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(GOTEST) $(PACKAGES)

bench-peers: setup ## measure the data path beside other libraries: a quarter of an hour, needs Python and GOCLR_DATA
	@sh benchmarks/run_peers.sh

lint: setup ## check the style; the first run builds the linter
	@test -z "$$(gofmt -l .)" || { gofmt -d . | head -n 100; echo "gofmt: these files need formatting:"; gofmt -l .; exit 1; }
	go vet $(PACKAGES)
	@test -x '$(GOLANGCI)' || { echo "building golangci-lint $(GOLANGCI_VERSION) ..."; \
		GOFLAGS= GOBIN='$(dir $(GOLANGCI))' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION); }
	$(GOLANGCI) run $(PACKAGES)
