// Package grammar translates JSON schemas to GBNF, the grammar language of
// llama.cpp (its grammars/README.md), so that an answer can only be what a schema
// allows.
//
// A grammar describes a subset of what its schema accepts: every sentence of the
// grammar is valid, but not every valid value is a sentence. Where they differ:
// properties come in the schema's order; an object with properties has others only
// if additionalProperties says so in writing; a schema without a type has the one
// that its keywords are about; numbers have at most 15 digits on either side of
// the point; white space is at most a line break with an indent.
//
// What can't be expressed is an error that names the keyword and its JSON pointer,
// never a grammar that lets invalid values through. oneOf is taken where no value
// can match two of its schemas, allOf where its schemas merge.
//
// Work and output are bounded, since a schema comes with a request.
package grammar
