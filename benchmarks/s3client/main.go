package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// settings are the flags. Which of them count depends on the action.
type settings struct {
	endpoint, bucket string
	from, to, file   string
	bytes, part      int64
	objects          int
	concurrency      int
	checksum         string
	get              bool
}

// moved is what an action did.
type moved struct{ bytes, objects int64 }

// actions are what the program does, by name.
var actions = map[string]func(context.Context, *s3.Client, settings) (moved, error){
	"upload": upload, "download": download, "copy": copyObject, "seed": seed, "small": small,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "s3client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to do: upload, download, copy, seed or small")
	}
	action, ok := actions[args[0]]
	if !ok {
		return fmt.Errorf("unknown action %q; use upload, download, copy, seed or small", args[0])
	}
	s, err := parse(args)
	if err != nil {
		return err
	}
	client, err := connect(ctx, s)
	if err != nil {
		return err
	}
	start := time.Now()
	did, err := action(ctx, client, s)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return json.NewEncoder(out).Encode(struct {
		Seconds float64 `json:"seconds"`
		Bytes   int64   `json:"bytes"`
		Objects int64   `json:"objects"`
		CPU     float64 `json:"cpu_seconds"`
	}{time.Since(start).Seconds(), did.bytes, did.objects, cpuTime().Seconds()})
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&s.endpoint, "endpoint", "", "`URL` of the server; without it where the AWS environment says")
	flags.StringVar(&s.bucket, "bucket", "", "the `bucket` (required)")
	flags.StringVar(&s.from, "from", "", "`key` or prefix to read")
	flags.StringVar(&s.to, "to", "", "`key` or prefix to write")
	flags.StringVar(&s.file, "file", "", "`file` to upload, or to cut into small objects")
	flags.Int64Var(&s.bytes, "bytes", 0, "`bytes` to upload, without --file; for seed the least size of an object (1000)")
	flags.Int64Var(&s.part, "part", 8<<20, "`bytes` in one request for large objects")
	flags.IntVar(&s.objects, "objects", 0, "how many `objects` to make; for small how many to take, 0 for all")
	flags.IntVar(&s.concurrency, "concurrency", 64, "requests in flight; for large objects in each direction")
	flags.StringVar(&s.checksum, "checksum", "crc32", "what uploads of large objects carry, and the server checks: crc32 (as the transfer manager does), sha256 or none")
	flags.BoolVar(&s.get, "get", false, "download with the transfer manager's reader, not its writer")
	if err := flags.Parse(args[1:]); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case s.bucket == "":
		return s, errors.New("no bucket; say --bucket")
	case s.concurrency < 1 || s.objects < 0 || s.bytes < 0:
		return s, errors.New("--concurrency must be 1 or more, --objects and --bytes not negative")
	}
	return s, nil
}

// connect makes a client that keeps as many connections open as it uses: the
// SDK keeps 10, and would open new ones all the time. It does not try again,
// for a figure with retries in it is none of the server's.
func connect(ctx context.Context, s settings) (*s3.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 4*s.concurrency, 4*s.concurrency
		t.ReadBufferSize, t.WriteBufferSize = 64<<10, 64<<10
	})
	cfg.Retryer = func() aws.Retryer { return retry.AddWithMaxAttempts(retry.NewStandard(), 1) }
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = true
		o.DisableLogOutputChecksumValidationSkipped = true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if s.endpoint != "" {
			o.BaseEndpoint = &s.endpoint
		}
	}), nil
}
