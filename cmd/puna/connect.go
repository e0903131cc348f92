package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/kernels"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/local"
	"github.com/puna-ai/puna/server/remote"
)

// backend says where a command's answers come from.
type backend int

const (
	serverOrLocal backend = iota // a server that is up, else this process
	localOnly                    // this process
	serverOnly                   // a server, or an error
)

// backendOf says where the answers about a model come from: a server doesn't open the
// files of its clients.
func backendOf(model string) backend {
	if local.IsPath(model) {
		return localOnly
	}
	return serverOrLocal
}

// service is a puna.Service with what must be closed after it.
type service struct {
	puna.Service
	io.Closer
	local bool
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

// connect finds the service for a command. The caller closes it.
func (c *config) connect(ctx context.Context, where backend) (*service, error) {
	if where != localOnly {
		client, err := remote.New(remote.Options{URL: c.reachable()})
		if err != nil {
			return nil, err
		}
		err = ping(ctx, client)
		if err == nil {
			return &service{Service: client, Closer: nopCloser{}}, nil
		}
		if where == serverOnly {
			return nil, fmt.Errorf("no server answers at %s (%w): start one with 'puna serve'", c.reachable(), err)
		}
	}
	svc, err := c.openLocal(true, slog.LevelWarn)
	if err != nil {
		return nil, err
	}
	return &service{Service: svc, Closer: svc, local: true}, nil
}

// ping asks whether a server is up. A local one answers in a millisecond.
func ping(ctx context.Context, client *remote.Service) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return client.Ping(ctx)
}

// openLocal opens the engine and the store in this process. Paths may name
// models only for commands of the user who owns this process.
func (c *config) openLocal(allowPaths bool, level slog.Level) (*local.Service, error) {
	log := slog.Default()
	if c.logLevel == slog.LevelInfo {
		log = quieter(log, level)
	}
	return local.Open(local.Options{
		Models:      c.models,
		NoPrune:     c.noPrune,
		AllowPaths:  allowPaths,
		KeepAlive:   &c.keepAlive,
		Defaults:    c.defaults(),
		NumParallel: c.numParallel,
		MaxModels:   c.maxModels,
		MaxQueue:    c.maxQueue,
		Memory:      c.memory,
		Repack:      c.repack,
		KVType:      c.kvType,
		CacheRAM:    int64(c.cacheRAM),
		Log:         log,
		Engine: engine.Options{
			Kernels: c.kernelOptions(),
			Log:     log,

			CacheDisk: int64(c.cacheDisk),
			Prover:    c.prover(),
		},
	})
}

// kernelOptions lets the engine prove kernels with this very program.
func (c *config) kernelOptions() kernels.Options {
	return kernels.Options{Dir: c.kernels, ProveWith: executable(), Logger: slog.Default()}
}
