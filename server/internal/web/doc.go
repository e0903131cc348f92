// Package web holds what every codec of the server shares: reading a JSON body,
// writing one JSON value or a stream of them, and the one mapping of [puna.Kind]
// to HTTP status codes.
//
// Caveats: a [Response] belongs to the goroutine of its request and is invalid
// after the handler returned.
package web
