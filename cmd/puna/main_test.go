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
	if len(os.Args) > 1 && os.Args[1] == "try" { // a child of this binary
		os.Exit(run())
	}
	os.Exit(m.Run())
}
