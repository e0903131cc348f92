package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/local"
	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/remote"
)

// measureTiny measures what a request costs besides computing: one token of a
// tiny model over HTTP.
func (s settings) measureTiny(ctx context.Context) error {
	path, err := s.model("tiny", "Q8_0")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "puna-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	svc, err := local.Open(local.Options{Models: dir, AllowPaths: true})
	if err != nil {
		return err
	}
	defer svc.Close()
	if err := create(ctx, svc, "tiny", path); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	client, err := serve(ctx, svc)
	if err != nil {
		return err
	}
	var inProcess, overHTTP []float64
	for range 200 {
		for _, g := range []struct {
			puna.Generator
			times *[]float64
		}{{svc, &inProcess}, {client, &overHTTP}} {
			req := &puna.Request{Model: "tiny", Prompt: randomText(4), Raw: true, Options: puna.Options{NumPredict: new(1), Temperature: new(0.0)}}
			start := time.Now()
			if _, err := generate(ctx, g, req); err != nil {
				return err
			}
			*g.times = append(*g.times, time.Since(start).Seconds()*1000)
			time.Sleep(5 * time.Millisecond) // idle in between, as clients are
		}
	}
	report("one token of a tiny model, median", "%.2f ms in process, %.2f ms over HTTP", median(inProcess), median(overHTTP))
	return nil
}

// serve has svc answer over HTTP until ctx ends, and returns a client.
func serve(ctx context.Context, svc *local.Service) (*remote.Service, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go (&server.Server{Service: svc}).Serve(ctx, ln)
	return remote.New(remote.Options{URL: &url.URL{Scheme: "http", Host: ln.Addr().String()}})
}

// create copies a file into a store.
func create(ctx context.Context, svc *local.Service, name, path string) error {
	for _, err := range svc.Create(ctx, &puna.CreateRequest{Model: name, From: path}) {
		if err != nil {
			return err
		}
	}
	return nil
}
