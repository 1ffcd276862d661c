module github.com/bulkhead/bulkhead/bench

go 1.26.0

replace github.com/bulkhead/bulkhead => ../

require (
	github.com/bulkhead/bulkhead v0.0.0
	github.com/moby/go-archive v0.3.3
	github.com/moby/sys/user v0.4.1
	go.uber.org/zap v1.28.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/containerd/log v0.1.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/moby/patternmatcher v0.6.1 // indirect
	github.com/moby/sys/sequential v0.7.0 // indirect
	github.com/moby/sys/userns v0.1.0 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	github.com/tetratelabs/wazero v1.12.0 // indirect
	github.com/vbatts/tar-split v0.12.3 // indirect
	go.uber.org/multierr v1.10.0 // indirect
)
