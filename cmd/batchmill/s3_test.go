package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// gateway is the S3 server that all scripts share; it starts with the first
// bucket that one asks for, and ends with the tests.
var gateway struct {
	mu     sync.Mutex
	dir    string
	server *s3test.Server
	err    error
}

func startGateway() (*s3test.Server, error) {
	gateway.mu.Lock()
	defer gateway.mu.Unlock()
	if gateway.server == nil && gateway.err == nil {
		if gateway.dir, gateway.err = os.MkdirTemp("", "batchmill-s3-"); gateway.err == nil {
			gateway.server, gateway.err = s3test.Run(gateway.dir)
		}
	}
	return gateway.server, gateway.err
}

func stopGateway() error {
	gateway.mu.Lock()
	defer gateway.mu.Unlock()
	var err error
	if gateway.server != nil {
		err = gateway.server.Stop()
	}
	if gateway.dir != "" {
		err = errors.Join(err, os.RemoveAll(gateway.dir))
	}
	return err
}

// condition knows [s3]: is there a server. Where nothing may be skipped, its
// want fails the script that asks for it.
func condition(name string) (bool, error) {
	if name != "s3" {
		return false, errors.New("unknown condition " + name)
	}
	_, err := startGateway()
	return !errors.Is(err, s3test.ErrNoBinary) || os.Getenv("CI") == "true", nil
}

type bucketsKey struct{}

// buckets are those of a script, by the names of the variables that hold theirs.
type buckets map[string]*s3test.Server

func bucketOf(ts *testscript.TestScript, name string) *s3test.Server {
	s := ts.Value(bucketsKey{}).(buckets)[name]
	if s == nil {
		ts.Fatalf("no bucket %s; make it with bucket %s", name, name)
	}
	return s
}

// bucket NAME... makes a bucket for each, whose address goes to the variable
// NAME. ENDPOINT is the server's; AWS_ENDPOINT_URL_S3 is set, and credentials.
func bucket(ts *testscript.TestScript, _ bool, args []string) {
	server, err := startGateway()
	ts.Check(err)
	for _, pair := range server.Env() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			ts.Setenv(name, value)
		}
	}
	ts.Setenv("ENDPOINT", server.Endpoint)
	ts.Setenv("AWS_ENDPOINT_URL_S3", server.Endpoint)
	for _, name := range args {
		made, err := server.NewBucket()
		ts.Check(err)
		ts.Value(bucketsKey{}).(buckets)[name] = made
		ts.Setenv(name, "s3://"+made.Bucket)
	}
}

// s3put BUCKET KEY FILE [CODING] puts an object, with a Content-Encoding.
func s3put(ts *testscript.TestScript, _ bool, args []string) {
	header := http.Header{}
	if len(args) > 3 {
		header.Set("Content-Encoding", args[3])
	}
	reply, err := bucketOf(ts, args[0]).Do(context.Background(), http.MethodPut, args[1], nil, header, []byte(ts.ReadFile(args[2])))
	ts.Check(err)
	if reply.Status != http.StatusOK {
		ts.Fatalf("put %s: %d %s", args[1], reply.Status, reply.Body)
	}
}

// packs CODEC FILE PACKED compresses a file.
func packs(ts *testscript.TestScript, _ bool, args []string) {
	codec, _ := compress.ByName(args[0])
	var b bytes.Buffer
	w := compress.NewWriter(&b, codec)
	_, err := io.WriteString(w, ts.ReadFile(args[1]))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b.Bytes(), 0o600))
}

// begins FILE HEX TEXT writes a file that begins with the bytes HEX, and goes on with TEXT.
func begins(ts *testscript.TestScript, _ bool, args []string) {
	head, err := hex.DecodeString(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(head, args[2]...), 0o600))
}

// s3get BUCKET KEY FILE gets an object; ! s3get that there is none.
func s3get(ts *testscript.TestScript, neg bool, args []string) {
	data, _, err := bucketOf(ts, args[0]).Get(args[1])
	if neg {
		if err == nil {
			ts.Fatalf("%s is there", args[1])
		}
		return
	}
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data, 0o600))
}

// s3begin BUCKET KEY begins an upload that nobody will finish.
func s3begin(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(bucketOf(ts, args[0]).BeginUpload(args[1]))
}

// s3holds BUCKET PREFIX KEY... checks which objects and unfinished uploads
// (upload:KEY) there are.
func s3holds(ts *testscript.TestScript, _ bool, args []string) {
	s := bucketOf(ts, args[0])
	objects, err := s.Objects(args[1])
	ts.Check(err)
	uploads, err := s.Uploads(args[1])
	ts.Check(err)
	var got []string
	for _, o := range objects {
		got = append(got, o.Key)
	}
	for _, u := range uploads {
		got = append(got, "upload:"+u.Key)
	}
	if want := strings.Join(args[2:], "\n"); strings.Join(got, "\n") != want {
		ts.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// write FILE TEXT writes a file, in which variables can stand.
func write(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(args[1]+"\n"), 0o600))
}

// replace FILE OLD NEW puts NEW where OLD stands, which must be once.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if strings.Count(text, args[1]) != 1 {
		ts.Fatalf("%s does not hold %q once:\n%s", args[0], args[1], text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}
