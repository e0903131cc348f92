package server_test

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/remote"
	"github.com/puna-ai/puna/server/servertest"
)

// A server and its client. The service is a fake; local.Open gives a real one.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := &server.Server{Service: servertest.New("tiny"), Version: "0.24.0"}
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, ln) }()

	svc, err := remote.New(remote.Options{URL: &url.URL{Scheme: "http", Host: ln.Addr().String()}})
	if err != nil {
		panic(err)
	}
	for ev, err := range svc.Generate(ctx, &puna.Request{
		Model:    "tiny",
		Messages: []puna.Message{{Role: puna.User, Content: "What is Puna?"}},
		Options:  puna.Options{Temperature: new(0.0), NumPredict: new(3)},
	}) {
		if err != nil {
			panic(err)
		}
		if ev.Done != nil {
			fmt.Println(ev.Done.EvalTokens, "tokens:", ev.Done.Reason)
		}
	}
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 3 tokens: length
	// <nil>
}
