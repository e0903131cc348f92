package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/local"
)

// idleFor is how long nobody asks.
const idleFor = 30 * time.Second

// idle measures the CPU time of a server that holds a model, has answered, and has
// nothing to do.
//
//	bench -shapes tiny -repeat 1 idle
func (s settings) idle(ctx context.Context) error {
	return s.eachFile(func(shape, path string) error {
		fmt.Printf("\n%s %s\n", shape, s.quant)
		return s.measureIdle(ctx, path)
	})
}

func (s settings) measureIdle(ctx context.Context, path string) error {
	svc, err := local.Open(local.Options{
		Models: filepath.Join(s.dir, "store"), AllowPaths: true, KeepAlive: new(time.Duration(-1)),
		Repack: s.repacking(), Engine: s.engineOptions(), Defaults: puna.Options{NumThread: &s.threads},
	})
	if err != nil {
		return err
	}
	defer svc.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	client, err := serve(ctx, svc)
	if err != nil {
		return err
	}
	req := &puna.Request{Model: path, Prompt: randomText(16), Raw: true, Options: puna.Options{NumPredict: &s.tokens, IgnoreEOS: new(true)}}
	if _, err := generate(ctx, svc, req); err != nil {
		return err
	}
	if _, err := svc.Embed(ctx, &puna.EmbedRequest{Model: path, Input: []string{randomText(s.text)}}); err != nil {
		return err
	}
	running, err := client.Running(ctx)
	if err != nil {
		return err
	}
	if len(running) != 1 {
		return fmt.Errorf("the server holds %d models: need the one that answered", len(running))
	}
	var shares []float64
	for range s.repeat {
		time.Sleep(settle)
		share, err := idleShare(ctx)
		if err != nil {
			return err
		}
		shares = append(shares, share)
	}
	report(fmt.Sprintf("CPU time of %.0f s without a request", idleFor.Seconds()), "%.3f%% of a CPU (worst of %d: %.3f%%)",
		median(shares), len(shares), slices.Max(shares))
	return nil
}

// idleShare is how much of a CPU this process takes while it waits, in percent.
func idleShare(ctx context.Context) (float64, error) {
	before, err := cpuTime()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(idleFor):
	}
	after, err := cpuTime()
	return 100 * float64(after-before) / float64(time.Since(began)), err
}

// cpuTime is that of all threads since the process began, in the kernel too.
func cpuTime() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
