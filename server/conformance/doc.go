// Package conformance holds the tests that every [puna.Service] passes, whatever
// answers behind it: the engine in this process, a remote server, a fake.
//
//	func TestConformance(t *testing.T) { conformance.Run(t, svc, "guide") }
//
// Caveats: the suite loads and unloads the model, and creates and deletes models
// and blobs whose names begin with "conformance-".
package conformance
