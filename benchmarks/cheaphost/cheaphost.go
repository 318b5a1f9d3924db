// Package cheaphost is a model host that costs next to nothing: it answers at
// once, with a number taken from each record's first field. An answer that
// ends up beside another record therefore shows.
package cheaphost

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// MaxBody is the largest request body taken, in bytes.
const MaxBody = 64 << 20

// modulus keeps answers short.
const modulus = 997

var errBody = errors.New("the body is not what its Content-Type says: it ends inside a record")

// Handler answers GET /ping and POST /invocations, and 404 to the rest. A body
// of type text/csv is cut into records with an eye to quotes, any other one at
// newlines. Empty lines get no answer.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("POST /invocations", invoke)
	return mux
}

// scratch is the memory of one request, used again by later ones.
type scratch struct{ in, out []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func invoke(w http.ResponseWriter, r *http.Request) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	var err error
	if s.in, err = readAll(s.in[:0], http.MaxBytesReader(w, r.Body, MaxBody)); err != nil {
		http.Error(w, fmt.Sprintf("read the body: %v", err), http.StatusBadRequest)
		return
	}
	kind := r.Header.Get("Content-Type")
	if s.out, err = Answer(s.out[:0], s.in, strings.HasPrefix(kind, "text/csv")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(s.out)))
	_, _ = w.Write(s.out) // a client that is gone wants no answer
}

// readAll appends all of r to dst, growing it by what has come, not by what
// was announced.
func readAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if cap(dst)-len(dst) < 4096 {
			dst = append(dst, make([]byte, len(dst)+4096)...)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// Answer appends one line for each record of body to dst: the first run of
// digits in the record, modulo 997. With quoted, newlines between double
// quotes do not end a record. A last record without newline counts; one whose
// quotes are still open is an error.
func Answer(dst, body []byte, quoted bool) ([]byte, error) {
	for len(body) > 0 {
		end := lineEnd(body)
		for quoted && bytes.Count(body[:end], []byte{'"'})%2 == 1 {
			if end == len(body) {
				return dst, errBody
			}
			end += lineEnd(body[end:])
		}
		if len(bytes.TrimRight(body[:end], "\r\n")) > 0 {
			dst = strconv.AppendUint(dst, firstNumber(body[:end])%modulus, 10)
			dst = append(dst, '\n')
		}
		body = body[end:]
	}
	return dst, nil
}

// lineEnd is where the first line of b ends, its newline included.
func lineEnd(b []byte) int {
	if at := bytes.IndexByte(b, '\n'); at >= 0 {
		return at + 1
	}
	return len(b)
}

// firstNumber reads the first run of digits in b, as far as it fits.
func firstNumber(b []byte) uint64 {
	at := bytes.IndexAny(b, "0123456789")
	if at < 0 {
		return 0
	}
	var n uint64
	for _, c := range b[at:min(at+18, len(b))] {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + uint64(c-'0')
	}
	return n
}
