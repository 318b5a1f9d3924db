package compress

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"compress/gzip"
)

// TestCutHeaders: a member that is cut within its header, where names of files
// and comments stand, is no end of the stream, be it the first or a later one.
func TestCutHeaders(t *testing.T) {
	var whole bytes.Buffer
	ends := map[int]bool{0: true}
	for _, content := range []string{"one\n", "two\n"} {
		z := gzip.NewWriter(&whole)
		z.Name, z.Comment, z.Extra = "some-name.csv", "a comment", []byte("extra")
		if _, err := io.WriteString(z, content); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		ends[whole.Len()] = true
	}
	for n := range whole.Len() + 1 {
		_, err := io.ReadAll(NewReader(bytes.NewReader(whole.Bytes()[:n]), Gzip, Limits{}))
		var corrupt *CorruptError
		if ends[n] && err != nil || !ends[n] && (!errors.As(err, &corrupt) || !errors.Is(err, io.ErrUnexpectedEOF)) {
			t.Errorf("cut at byte %d of %d: error is %v", n, whole.Len(), err)
		}
	}
}
