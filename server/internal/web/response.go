package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
)

// Content types of Ollama's API.
const (
	typeJSON   = "application/json; charset=utf-8"
	typeNDJSON = "application/x-ndjson"
)

// Response writes one HTTP response: a single value by [Response.JSON] or a
// stream by [Response.Send]. It remembers what went out, for the log and so that
// an error knows whether the status can still be chosen.
type Response struct {
	http.ResponseWriter
	flusher   http.Flusher // nil where the writer can't flush
	status    int          // 0 until the header is written
	size      int64        // bytes of the body
	streaming bool
	buf       bytes.Buffer
	enc       *json.Encoder // writes to buf
}

var responses = sync.Pool{New: func() any {
	w := new(Response)
	w.enc = json.NewEncoder(&w.buf)
	return w
}}

// NewResponse wraps w. Release gives the wrapper back.
func NewResponse(w http.ResponseWriter) *Response {
	out := responses.Get().(*Response)
	out.ResponseWriter = w
	out.flusher, _ = w.(http.Flusher)
	return out
}

// Release ends the use of w.
func (w *Response) Release() {
	if w.buf.Cap() > keepBuffer {
		return
	}
	w.ResponseWriter, w.flusher = nil, nil
	w.status, w.size, w.streaming = 0, 0, false
	responses.Put(w)
}

// Unwrap serves [http.ResponseController].
func (w *Response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Status returns the status code that was sent, or 0.
func (w *Response) Status() int { return w.status }

// Size returns the number of bytes of the body so far.
func (w *Response) Size() int64 { return w.size }

// WriteHeader implements [http.ResponseWriter].
func (w *Response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *Response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.size += int64(n)
	return n, err
}

// JSON answers with one value.
func (w *Response) JSON(status int, v any) error {
	if err := w.encode(v); err != nil {
		return err
	}
	body := bytes.TrimSuffix(w.buf.Bytes(), []byte("\n"))
	h := w.Header()
	h.Set("Content-Type", typeJSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// Send writes v as the next line of an NDJSON stream; the first one sends the
// header. Every line goes out at once, but the last leaves with the end of the
// response, in one packet.
func (w *Response) Send(v any, last bool) error {
	if err := w.encode(v); err != nil {
		return err
	}
	if w.status == 0 {
		w.Header().Set("Content-Type", typeNDJSON)
		w.streaming = true
		w.WriteHeader(http.StatusOK)
	}
	if _, err := w.Write(w.buf.Bytes()); err != nil {
		return err
	}
	if !last && w.flusher != nil {
		w.flusher.Flush()
	}
	return nil
}

// SetLate sets a header, or, where the header is sent already, a trailer.
func (w *Response) SetLate(name, value string) {
	if w.status != 0 {
		name = http.TrailerPrefix + name
	}
	w.Header().Set(name, value)
}

// encode leaves v as JSON and a newline in buf.
func (w *Response) encode(v any) error {
	w.buf.Reset()
	return w.enc.Encode(v)
}
