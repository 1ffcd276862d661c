package main

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// tap sees what the host logs of each driver call.
type tap struct {
	log  *zap.Logger
	seen *observer.ObservedLogs
}

func newTap() *tap {
	core, seen := observer.New(zapcore.DebugLevel)
	return &tap{log: zap.New(core), seen: seen}
}

func (t *tap) reset() { t.seen.TakeAll() }

// crossings since reset; -1 if no driver was called.
func (t *tap) crossings() int64 {
	sum, any := int64(0), false
	for _, e := range t.seen.FilterMessage("driver call").All() {
		if n, ok := e.ContextMap()["crossings"].(int64); ok {
			sum, any = sum+n, true
		}
	}
	if !any {
		return -1
	}
	return sum
}
