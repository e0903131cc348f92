package main

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestALineThatIsStoppedDrawsNothingMore(t *testing.T) {
	var out bytes.Buffer // that no goroutine may touch once the line has stopped
	ticks := make(chan time.Time)
	l := newLine(&out, ticks)
	l.stop()
	assert.Empty(t, out.String(), "what ends at once shows nothing")
	l = newLine(&out, ticks)
	ticks <- time.Now()
	l.tell("loading model", 0.5)
	ticks <- time.Now()
	l.stop()
	l.stop()
	assert.Equal(t, "\r\033[K⠋ \r\033[K⠙ loading model  50%\r\033[K", out.String())
}

func TestALineSaysHowLongItTakes(t *testing.T) {
	l := newLine(io.Discard, nil)
	defer l.stop()
	assert.Empty(t, l.text(time.Now()))
	l.tell("compiling", 0.2)
	start := l.toldAt
	assert.Equal(t, "compiling  20%", l.text(start.Add(time.Second)), "what was done before says nothing about speed")
	l.tell("compiling", 0.4)
	assert.Equal(t, "compiling  40%, 6s left", l.text(start.Add(2*time.Second)))
	l.tell("compiling", 1)
	assert.Equal(t, "compiling 100%, 0s left", l.text(start.Add(6*time.Second)))
}

func TestWhatIsNoTerminalHasNoLine(t *testing.T) {
	l := startLine(io.Discard)
	l.tell("loading model", 0.5)
	l.stop()
	assert.Nil(t, l)
}
