// Package job is what a user asks for: a [Spec], filled in and checked, and the
// [Failure] that a job ends with. The package knows flags, not stores and not hosts.
package job

import (
	"fmt"
	"math"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// Spec is a job as its user writes it: by flags, or in a job file whose keys
// are the flags' names. The zero value of a field means its default.
type Spec struct {
	Input          []string   `yaml:"input,omitempty" json:"input"`
	InputManifest  string     `yaml:"input-manifest,omitempty" json:"input-manifest,omitempty"`
	Output         string     `yaml:"output,omitempty" json:"output"`
	Hosts          []string   `yaml:"host,omitempty" json:"host"`
	Image          string     `yaml:"image,omitempty" json:"image,omitempty"`
	FollowSymlinks bool       `yaml:"follow-symlinks,omitempty" json:"follow-symlinks,omitempty"`
	Command        string     `yaml:"command,omitempty" json:"command,omitempty"`
	Replicas       int        `yaml:"replicas,omitempty" json:"replicas,omitempty"`
	InputFormat    string     `yaml:"input-format,omitempty" json:"input-format,omitempty"`
	InputCodec     string     `yaml:"input-compression,omitempty" json:"input-compression,omitempty"`
	OutputFormat   string     `yaml:"output-format,omitempty" json:"output-format,omitempty"`
	ColumnType     []string   `yaml:"column-type,omitempty" json:"column-type,omitempty"`
	ContentType    string     `yaml:"content-type,omitempty" json:"content-type,omitempty"`
	Accept         string     `yaml:"accept,omitempty" json:"accept,omitempty"`
	PayloadWrap    string     `yaml:"payload-wrap,omitempty" json:"payload-wrap,omitempty"`
	Compression    string     `yaml:"compression,omitempty" json:"compression,omitempty"`
	RowGroup       int        `yaml:"row-group-records,omitempty" json:"row-group-records,omitempty"`
	Encoding       string     `yaml:"encoding,omitempty" json:"encoding,omitempty"`
	Header         string     `yaml:"header,omitempty" json:"header,omitempty"`
	DedupeNames    bool       `yaml:"dedupe-names,omitempty" json:"dedupe-names,omitempty"`
	SendHeader     bool       `yaml:"send-header,omitempty" json:"send-header,omitempty"`
	Delimiter      string     `yaml:"delimiter,omitempty" json:"delimiter,omitempty"`
	Quote          string     `yaml:"quote,omitempty" json:"quote,omitempty"`
	Escape         string     `yaml:"escape,omitempty" json:"escape,omitempty"`
	Comment        string     `yaml:"comment,omitempty" json:"comment,omitempty"`
	SkipRows       int        `yaml:"skip-rows,omitempty" json:"skip-rows,omitempty"`
	Trim           bool       `yaml:"trim,omitempty" json:"trim,omitempty"`
	Null           string     `yaml:"null,omitempty" json:"null,omitempty"`
	Ragged         bool       `yaml:"ragged,omitempty" json:"ragged,omitempty"`
	Join           string     `yaml:"join,omitempty" json:"join,omitempty"`
	Answers        string     `yaml:"answers,omitempty" json:"answers,omitempty"`
	AnswerName     string     `yaml:"answer-name,omitempty" json:"answer-name,omitempty"`
	AnswerColumns  string     `yaml:"answer-columns,omitempty" json:"answer-columns,omitempty"`
	AnswerType     []string   `yaml:"answer-type,omitempty" json:"answer-type,omitempty"`
	AnswerHeader   string     `yaml:"answer-header,omitempty" json:"answer-header,omitempty"`
	AnswerPath     string     `yaml:"answer-path,omitempty" json:"answer-path,omitempty"`
	InputFilter    string     `yaml:"input-filter,omitempty" json:"input-filter,omitempty"`
	OutputFilter   string     `yaml:"output-filter,omitempty" json:"output-filter,omitempty"`
	BatchRecords   Auto       `yaml:"batch-records,omitempty" json:"batch-records,omitempty"`
	BatchBytes     Bytes      `yaml:"batch-bytes,omitempty" json:"batch-bytes,omitempty"`
	TargetLatency  Duration   `yaml:"target-latency,omitempty" json:"target-latency,omitempty"`
	Concurrency    Auto       `yaml:"concurrency,omitempty" json:"concurrency,omitempty"`
	MaxConcurrency int        `yaml:"max-concurrency,omitempty" json:"max-concurrency,omitempty"`
	Timeout        Duration   `yaml:"timeout,omitempty" json:"timeout,omitempty"`
	Attempts       int        `yaml:"attempts,omitempty" json:"attempts,omitempty"`
	HostWait       Duration   `yaml:"host-wait,omitempty" json:"host-wait,omitempty"`
	ReadyTimeout   Duration   `yaml:"ready-timeout,omitempty" json:"ready-timeout,omitempty"`
	NoKeepAlive    bool       `yaml:"no-keep-alive,omitempty" json:"no-keep-alive,omitempty"`
	Grace          Duration   `yaml:"grace,omitempty" json:"grace,omitempty"`
	HostHeader     []string   `yaml:"host-header,omitempty" json:"host-header,omitempty"`
	HostBearer     string     `yaml:"host-bearer,omitempty" json:"host-bearer,omitempty"`
	HostBasic      string     `yaml:"host-basic,omitempty" json:"host-basic,omitempty"`
	HostCA         string     `yaml:"host-ca,omitempty" json:"host-ca,omitempty"`
	HostCert       string     `yaml:"host-cert,omitempty" json:"host-cert,omitempty"`
	HostKey        string     `yaml:"host-key,omitempty" json:"host-key,omitempty"`
	HostTLSName    string     `yaml:"host-server-name,omitempty" json:"host-server-name,omitempty"`
	OnBad          string     `yaml:"on-bad,omitempty" json:"on-bad,omitempty"`
	MaxRejects     *Allowance `yaml:"max-rejects,omitempty" json:"max-rejects,omitempty"`
	Limit          int64      `yaml:"limit,omitempty" json:"limit,omitempty"`
	S3Endpoint     string     `yaml:"s3-endpoint,omitempty" json:"s3-endpoint,omitempty"`
	S3PathStyle    string     `yaml:"s3-path-style,omitempty" json:"s3-path-style,omitempty"`
	S3SSE          string     `yaml:"s3-sse,omitempty" json:"s3-sse,omitempty"`
	S3KMSKey       string     `yaml:"s3-sse-kms-key-id,omitempty" json:"s3-sse-kms-key-id,omitempty"`
	S3ACL          string     `yaml:"s3-acl,omitempty" json:"s3-acl,omitempty"`
	S3Tags         string     `yaml:"s3-tags,omitempty" json:"s3-tags,omitempty"`
	S3Payer        string     `yaml:"s3-request-payer,omitempty" json:"s3-request-payer,omitempty"`
	S3Anonymous    bool       `yaml:"s3-anonymous,omitempty" json:"s3-anonymous,omitempty"`
	Memory         Bytes      `yaml:"memory,omitempty" json:"memory,omitempty"`
	MaxRecord      Bytes      `yaml:"max-record,omitempty" json:"max-record,omitempty"`
	MaxResponse    Bytes      `yaml:"max-response,omitempty" json:"max-response,omitempty"`
	Restart        bool       `yaml:"restart,omitempty" json:"restart,omitempty"`
	Overwrite      bool       `yaml:"overwrite,omitempty" json:"overwrite,omitempty"`
	BeforeDamage   bool       `yaml:"resume-before-damage,omitempty" json:"resume-before-damage,omitempty"`

	// All below is for hosts that are started from Image.

	Model           string   `yaml:"model,omitempty" json:"model,omitempty"`
	Env             []string `yaml:"env,omitempty" json:"env,omitempty"`
	EnvFile         []string `yaml:"env-file,omitempty" json:"env-file,omitempty"`
	Network         string   `yaml:"network,omitempty" json:"network,omitempty"`
	GPUs            string   `yaml:"gpus,omitempty" json:"gpus,omitempty"`
	ContainerMemory Bytes    `yaml:"container-memory,omitempty" json:"container-memory,omitempty"`
	ContainerCPUs   float64  `yaml:"container-cpus,omitempty" json:"container-cpus,omitempty"`
	ContainerPids   int      `yaml:"container-pids,omitempty" json:"container-pids,omitempty"`
	ContainerAllow  []string `yaml:"container-allow,omitempty" json:"container-allow,omitempty"`
	ContainerTmpfs  []string `yaml:"container-tmpfs,omitempty" json:"container-tmpfs,omitempty"`
}

// Duration is a time.Duration that reads "90s" or "10m" from text.
type Duration time.Duration

// UnmarshalText reads a duration with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a time; write for example 500ms, 60s or 10m", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string { return time.Duration(d).String() }

// The defaults; sizes are in bytes. Batch records, batch bytes and concurrency stay 0 when they
// are not set, because a host may tell these; see [workers.Parameters].
const (
	DefaultBatchRecords  = workers.DefaultBatchRecords
	DefaultBatchBytes    = 6 << 20
	DefaultTargetLatency = time.Second
	DefaultTimeout       = 60 * time.Second
	DefaultGrace         = 10 * time.Second
	DefaultAttempts      = 4
	DefaultMemory        = 256 << 20
	DefaultMaxRecord     = 16 << 20
	DefaultMaxResponse   = 64 << 20
	DefaultAnswerName    = "prediction"
	DefaultRowGroup      = 1 << 17 // a part of the job's identity
	MinMemory            = 1 << 20
	maxMemory            = 1 << 40
)

// choices are the fields with a fixed set of values; the first is the default.
var choices = []struct {
	name   string
	field  func(*Spec) *string
	values []string
}{
	{"--header", func(s *Spec) *string { return &s.Header }, []string{"auto", "yes", "no"}},
	{"--join", func(s *Spec) *string { return &s.Join }, []string{"", "none", "input"}},
	{"--answers", func(s *Spec) *string { return &s.Answers }, []string{"per-record", "per-batch"}},
	{"--answer-header", func(s *Spec) *string { return &s.AnswerHeader }, []string{"no", "auto", "yes"}},
	{"--on-bad", func(s *Spec) *string { return &s.OnBad }, []string{"placeholder", "skip", "fail"}},
	{"--payload-wrap", func(s *Spec) *string { return &s.PayloadWrap }, []string{"none", "instances", "dataframe_split"}},
	{"--compression", func(s *Spec) *string { return &s.Compression }, []string{"", "none", "gzip", "zstd", "snappy", "lz4"}},
	{"--input-format", func(s *Spec) *string { return &s.InputFormat }, []string{"", "csv", "jsonl", "json", "lines", "parquet"}},
	{"--input-compression", func(s *Spec) *string { return &s.InputCodec }, []string{"auto", "none", "gzip", "zstd", "snappy", "lz4", "bzip2"}},
	{"--output-format", func(s *Spec) *string { return &s.OutputFormat }, []string{"", "csv", "jsonl", "lines", "parquet"}},
}

// Validate fills in the defaults and reports the first field that cannot be
// right, with its fix, as a *[Failure]. What depends on the input or the hosts comes later.
func (s *Spec) Validate() error { return s.check(s.checkPlaces) }

// Complete is [Spec.Validate] for a job whose stores are given: its fields that name
// places, Input and Output among them, may be empty.
func (s *Spec) Complete() error { return s.check(s.CheckS3) }

func (s *Spec) check(places func() error) error {
	for _, c := range choices {
		if v := c.field(s); *v == "" {
			*v = c.values[0]
		} else if c.name == "--compression" && *v == "bzip2" {
			return Usagef("use one of "+strings.Join(c.values[1:], ", "), "--compression bzip2: it can be read, not written")
		} else if !slices.Contains(c.values, *v) {
			return Usagef("", "%s %q is not known; use %s", c.name, *v, strings.Trim(strings.Join(c.values, ", "), ", "))
		}
	}
	s.fillDefaults()
	for _, check := range []func() error{places, s.checkHosts, s.checkSizes, s.checkTypes, s.checkDialect, s.checkTogether, s.checkImage} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) fillDefaults() {
	orElse(&s.TargetLatency, Duration(DefaultTargetLatency))
	orElse(&s.MaxConcurrency, workers.DefaultMaxConcurrency)
	orElse(&s.Timeout, Duration(DefaultTimeout))
	orElse(&s.HostWait, Duration(10*time.Minute))
	orElse(&s.ReadyTimeout, Duration(10*time.Minute))
	orElse(&s.Grace, Duration(DefaultGrace))
	orElse(&s.Attempts, DefaultAttempts)
	orElse(&s.S3PathStyle, "auto")
	orElse(&s.AnswerName, DefaultAnswerName)
	orElse(&s.Memory, DefaultMemory)
	orElse(&s.MaxRecord, DefaultMaxRecord) // never by the memory: --max-record is a part of the job's identity
	orElse(&s.MaxResponse, min(DefaultMaxResponse, s.Memory/4))
	if s.MaxRejects == nil {
		s.MaxRejects = &Allowance{Percent: 1, IsShare: true}
	}
	if s.Answers == "per-batch" && s.OnBad == "placeholder" {
		s.OnBad = "skip" // nothing could hold the place of a record in a response taken whole
	}
}

func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (s *Spec) checkPlaces() error {
	if len(s.Input) == 0 && s.InputManifest == "" {
		return Usagef("", "no input; name a file, a directory, a glob or s3://bucket/prefix with --input")
	}
	if s.Output == "" {
		return Usagef("", "no output; name a directory or s3://bucket/prefix with --output")
	}
	if s.Output == "-" {
		return Usagef("name a directory or s3://bucket/prefix; a directory of that name is ./-", "--output -: outputs cannot be written to stdout")
	}
	return s.CheckS3()
}

func (s *Spec) checkSizes() error {
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"--batch-records", int64(s.BatchRecords)}, {"--batch-bytes", int64(s.BatchBytes)},
		{"--row-group-records", int64(s.RowGroup)}, {"--skip-rows", int64(s.SkipRows)}, {"--replicas", int64(s.Replicas)}, {"--max-concurrency", int64(s.MaxConcurrency)}, {"--attempts", int64(s.Attempts)}, {"--limit", s.Limit}, {"--memory", int64(s.Memory)},
		{"--max-record", int64(s.MaxRecord)}, {"--max-response", int64(s.MaxResponse)},
	} {
		if n.value < 0 {
			return Usagef("", "%s %d is negative", n.name, n.value)
		}
	}
	switch {
	case s.Concurrency > 10000 || s.MaxConcurrency > 10000:
		return Usagef("", "--concurrency and --max-concurrency end at 10000 requests for each host")
	case s.Memory < MinMemory:
		return Usagef("", "--memory %s is too little; give at least %s", s.Memory, Bytes(MinMemory))
	case s.Memory > maxMemory:
		return Usagef("", "--memory %s is more than any job needs; give at most %s", s.Memory, Bytes(maxMemory))
	case s.MaxRecord > s.Memory/4:
		return Usagef("", "--max-record %s is more than a quarter of --memory %s; raise --memory to %s, or set --max-record %s", s.MaxRecord, s.Memory, 4*s.MaxRecord, s.Memory/4)
	case s.MaxResponse > s.Memory/4:
		return Usagef("", "--max-response %s is more than a quarter of --memory %s; raise --memory to %s", s.MaxResponse, s.Memory, 4*s.MaxResponse)
	case s.BatchBytes > s.Memory/4:
		return Usagef("", "--batch-bytes %s is more than a quarter of --memory %s; raise --memory to %s", s.BatchBytes, s.Memory, 4*s.BatchBytes)
	case s.MaxRecord > math.MaxInt32 || s.MaxResponse > math.MaxInt32 || s.BatchBytes > math.MaxInt32:
		return Usagef("", "--max-record, --max-response and --batch-bytes end at 2GiB")
	}
	return nil
}

func (s *Spec) checkTypes() error {
	if s.ContentType != "" {
		if _, _, err := mime.ParseMediaType(s.ContentType); err != nil {
			return Usagef("", "--content-type %q is no media type: %v", s.ContentType, err)
		}
	}
	return nil
}

func (s *Spec) checkTogether() error {
	perBatch := s.Answers == "per-batch"
	switch {
	case s.Restart && s.BeforeDamage:
		return Usagef("leave out one of them", "--restart discards all logged answers, and --resume-before-damage keeps those before the damage")
	case perBatch && s.Join == "input":
		return Usagef("use --join none", "--answers per-batch cannot be joined: its answers belong to no single record")
	case perBatch && s.OutputFilter != "":
		return Usagef("leave out --output-filter", "--answers per-batch writes responses as they come and cannot filter them")
	case perBatch && s.AnswerHeader != "no":
		return Usagef("leave out --answer-header", "--answers per-batch writes responses as they come, headers too")
	case perBatch && s.AnswerColumns != "":
		return Usagef("leave out --answer-columns", "--answers per-batch writes responses as they come, without columns")
	case perBatch && s.AnswerPath != "":
		return Usagef("leave out --answer-path", "--answers per-batch does not look into responses")
	}
	return nil
}
