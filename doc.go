// Package puna holds the domain types of Puna, an in-process LLM inference
// engine: requests, events, options, model descriptions, the [Service] that
// answers them, and the one [Error] type.
//
// The types are shared by everything that answers a request (the engine in this
// process, a remote server) and everything that asks (the Go API, Ollama's HTTP
// API, the command line), so each surface is a codec and nothing more. The
// package imports only the standard library.
//
// A program that wants answers opens one of the implementations:
//
//	svc, err := local.Open(local.Options{})       // github.com/puna-ai/puna/local
//	if err != nil { ... }
//	defer svc.Close()
//	for ev, err := range svc.Generate(ctx, &puna.Request{
//		Model:    "guide",
//		Messages: []puna.Message{{Role: puna.User, Content: "What is Puna?"}},
//	}) {
//		if err != nil { ... }
//		fmt.Print(ev.Text)
//	}
//
// Caveats: values are not copied on the way in, so a request must not change
// while it is being answered; events are owned by their receiver.
package puna
