// Package parse splits a model's answer into text, thinking and tool calls as it
// streams.
package parse
