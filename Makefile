# Go and make are all that build, run and test need.

GO      ?= go
BIN     := bin/bulkhead
BUILT   := drivers-wasm/built
DRIVERS := overlay2 vfs
WASM    := $(DRIVERS:%=$(BUILT)/%.wasm)
WASMENV := GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

GOFLAGS_TEST ?=
RACE_PACKAGES ?= ./host/... ./layer/... ./image/... ./graphdriver/...
# The linter is pinned here and nowhere else.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help

.PHONY: help
help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: drivers ## compile the drivers and bin/bulkhead
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o $(BIN) ./cmd/host

.PHONY: drivers
drivers: ## compile the drivers to wasm
	@for d in $(DRIVERS); do \
		$(WASMENV) $(GO) build -buildmode=c-shared -trimpath -ldflags '-s -w' -o $(BUILT)/$$d.wasm.new ./drivers-wasm/$$d/module || exit 1; \
		if cmp -s $(BUILT)/$$d.wasm.new $(BUILT)/$$d.wasm; then rm $(BUILT)/$$d.wasm.new; else mv $(BUILT)/$$d.wasm.new $(BUILT)/$$d.wasm; fi; \
	done

.PHONY: run
run: build ## store a real image through a sandboxed driver and compare what comes out (IMAGE=path for your own)
	$(GO) run ./examples/tour -bin $(BIN) $(if $(IMAGE),-image '$(IMAGE)')

.PHONY: test
test: build ## run all tests that need nothing but Go
	$(GO) test $(GOFLAGS_TEST) ./...

.PHONY: race
# What reads wasm was most of the time under the detector, and is not watched.
# Only packages that synchronise nothing can be left out: one that does compiles
# generic code of sync and sync/atomic without the detector, and the linker may
# take that for the whole program.
UNWATCHED := github.com/tetratelabs/wazero/internal/leb128 github.com/tetratelabs/wazero/internal/wasm/binary
# Nor does anything wait for reports at the end of a driver's process.
race: drivers ## run the tests under the race detector (needs a C compiler)
	@! $(GO) list -f '{{.ImportPath}}: {{.Imports}}' $(UNWATCHED) | grep -E '[[ ](sync|sync/atomic|unique|weak)[] ]' || { echo 'race: watch the packages above, they synchronise'; exit 1; }
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 $(GO) test -race $(UNWATCHED:%=-gcflags=%=-race=false) $(GOFLAGS_TEST) $(RACE_PACKAGES)

.PHONY: walk
walk: build ## run the tests of the sandbox without openat2, as on kernels and under filters that lack it
	BULKHEAD_RESOLVER=walk $(GO) test -count=1 $(GOFLAGS_TEST) ./graphdriver/beneath ./host/calls ./host/confine ./host/mount ./layer
	BULKHEAD_RESOLVER=walk $(GO) test -count=1 $(GOFLAGS_TEST) -run 'Hostile|NoRace|NothingBut|Conformance/(vfs|overlay2)_from_source' ./host

.PHONY: soak
SOAK ?= 2m
soak: build ## have hostile and honest drivers work side by side for SOAK, and look for what grows
	$(GO) test -tags soak -run '^TestSoak$$' -count=1 -v -timeout 0 ./host -soak $(SOAK)

.PHONY: unprivileged
unprivileged: build ## run the tests that concern it as nobody (needs root to become nobody)
	sh e2e/unprivileged.sh

.PHONY: e2e
# These tests wait for other programs to come up and to end.
E2E_PARALLEL ?= $(shell expr 1 + $$(nproc))
e2e: build ## run against dockerd, skopeo and umoci (Debian: make deps)
	$(GO) test $(GOFLAGS_TEST) -tags e2e -count=1 -timeout 30m -parallel $(E2E_PARALLEL) ./e2e ./image/archive

.PHONY: fault
FAULT_TIME ?= 2m
FAULT_SEED ?= 1
fault: build ## kill, cut the power and fail calls under commands for FAULT_TIME (0: at every point; as root; make deps)
	$(GO) test $(GOFLAGS_TEST) -tags fault -count=1 -v -timeout 0 ./e2e/fault -time $(FAULT_TIME) -seed $(FAULT_SEED)

.PHONY: bench
bench: build ## compare with native code, moby's packages, docker, podman, crane and tar (as root; make deps)
	cd bench && $(GO) run . $(BENCH)

.PHONY: check
check: build ## formatting, vet, linter, module files, generated files
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "$$bad"; echo 'gofmt: run gofmt -w on the files above'; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags e2e ./e2e
	$(GO) vet -tags fault ./e2e/fault
	$(GO) vet -tags soak ./host
	cd bench && $(GO) vet ./...
	cd bench/goarchive && $(GO) vet ./...
	$(WASMENV) $(GO) build -trimpath ./abi ./abi/guest ./graphdriver/treediff ./drivers-wasm/... ./examples/minimal-driver ./examples/escape-driver
	$(GO) mod tidy -diff
	cd bench && $(GO) mod tidy -diff
	cd bench/goarchive && $(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) run $(STATICCHECK) ./...

.PHONY: fuzz
FUZZTIME ?= 10s
fuzz: ## run every fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
			echo "$$dir $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$dir || exit 1; \
		done; done

.PHONY: deps
deps: ## install what e2e, race and bench need (Debian, as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		docker.io docker-registry podman skopeo umoci clang lld gcc libc6-dev strace e2fsprogs xfsprogs zstd

.PHONY: clean
clean: ## remove what was built
	rm -rf bin $(WASM)
