package main

import (
	"os"
	"testing"
)

// asProgram makes this test binary the puna program, so that tests start real
// processes of it without another build.
const asProgram = "PUNA_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}
