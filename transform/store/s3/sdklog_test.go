package s3

import (
	"bytes"
	"log"
	"os"
	"strings"
	"testing"

	"github.com/aws/smithy-go/logging"
)

// TestSDKLog: what the SDK logs goes to the standard logger, with the place and without values.
func TestSDKLog(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	log.SetFlags(log.Lshortfile)
	defer log.SetOutput(os.Stderr)
	defer log.SetFlags(log.LstdFlags)
	sdkLog{}.Logf(logging.Warn, "token %s", "canary")
	if got := out.String(); !strings.HasPrefix(got, "sdklog_test.go:") || !strings.HasSuffix(got, ": AWS SDK: token %s\n") {
		t.Errorf("%q", got)
	}
}
