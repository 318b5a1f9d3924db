package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container"
)

// options are what `run` can be told, by flags or by a job file.
type options struct {
	spec     job.Spec
	progress string
	metrics  string // address for Prometheus; empty for none
	dryRun   bool
}

// flags binds o to a new set of flags, in the order in which help shows them.
// A usage text begins with the name of
// its value and a tab. Defaults stand in the texts, since a value that is not given stays zero until
// the spec is validated: a host may tell some of them.
func (o *options) flags() *pflag.FlagSet {
	b := binder{set: pflag.NewFlagSet("run", pflag.ContinueOnError)}
	b.set.SortFlags = false
	o.bindPlaces(&b)
	bindAccess(&b, &o.spec)
	o.bindContainers(&b)
	bindS3(&b, &o.spec)
	o.bindFormats(&b)
	o.bindJoin(&b)
	o.bindRequests(&b)
	o.bindPolicy(&b)
	return b.set
}

// binder defines flags, each under the title that is current.
type binder struct {
	set   *pflag.FlagSet
	title string
}

func (b *binder) group(name string) {
	f := b.set.Lookup(name)
	f.DefValue = "" // the text names the default
	if f.Value.Type() == "stringArray" {
		f.DefValue = "[]"
	}
	f.Annotations = map[string][]string{groupOf: {b.title}}
}

func (b *binder) text(p *string, name, usage string) {
	b.set.StringVar(p, name, "", usage)
	b.group(name)
}

func (b *binder) list(p *[]string, name, usage string) {
	b.set.StringArrayVar(p, name, nil, usage)
	b.group(name)
}

func (b *binder) yes(p *bool, name, usage string) {
	b.set.BoolVar(p, name, false, usage)
	b.group(name)
}

func (b *binder) number(p *int, name, usage string) {
	b.set.IntVar(p, name, 0, usage)
	nonzero(b, p, name)
}

// nonzero gives a flag with a number its title, and refuses 0 for it: 0 is what a field
// has that was not given.
func nonzero[T int | int64 | float64 | job.Bytes](b *binder, p *T, name string) {
	b.group(name)
	f := b.set.Lookup(name)
	f.DefValue = "0"
	f.Value = positive{f.Value, func() bool { return *p == 0 }}
}

// positive is a value that is not 0 where it is given.
type positive struct {
	pflag.Value
	isZero func() bool
}

// Set takes a value, and says of 0 what to do.
func (v positive) Set(s string) error {
	if err := v.Value.Set(s); err != nil {
		return err
	}
	if v.isZero() {
		return fmt.Errorf("%q is too little: write more, or leave the flag out for its default", s)
	}
	return nil
}

func (b *binder) auto(p *job.Auto, name, usage string) {
	b.set.TextVar(p, name, job.Auto(0), usage)
	b.group(name)
}

func (b *binder) value(v pflag.Value, name, usage string) {
	b.set.Var(v, name, usage)
	b.group(name)
}

func (b *binder) bytes(p *job.Bytes, name, usage string) {
	b.set.TextVar(p, name, job.Bytes(0), usage)
	nonzero(b, p, name)
	b.set.Lookup(name).DefValue = ""
}

func (b *binder) duration(p *job.Duration, name, usage string) {
	b.set.TextVar(p, name, job.Duration(0), usage)
	b.group(name)
}

func (o *options) bindPlaces(b *binder) {
	s := &o.spec
	b.title = "Inputs, outputs and hosts"
	b.list(&s.Input, "input", "URI\ta file, a directory, a quoted glob (** is any depth), or s3://bucket/prefix; repeatable; names below it that begin with _ or . are skipped and told, but _name=value is data")
	b.text(&s.InputManifest, "input-manifest", "URI\ta list of objects, on disk or S3: a JSON array of {\"prefix\": \"s3://bucket/prefix/\"} and names to append to it")
	b.yes(&s.FollowSymlinks, "follow-symlinks", "read files through symbolic links that lead out of an input; without this flag such an object fails, and the others go on")
	b.text(&s.Output, "output", "URI\tdirectory or s3://bucket/prefix for the outputs; never inside the input")
	b.list(&s.Hosts, "host", "URL\tan inference host: a URL, unix:///path.sock, or dns+http://name:port for every address behind a name; repeatable. A URL without a path follows the container contract (ping, invocations); a URL with a path receives the POST requests directly")
	b.text(&s.Image, "image", "NAME\timage to start hosts from, as containers, instead of --host; never pulled")
	b.text(&s.Command, "command", "WORDS\tcommand that starts a host process; SAGEMAKER_BIND_TO_PORT and PORT hold its port; no shell is used")
	b.number(&s.Replicas, "replicas", "N\thow many hosts to start (default 1)")
}

func (o *options) bindContainers(b *binder) {
	s := &o.spec
	b.title = "Containers (with --image)"
	b.text(&s.Model, "model", "PATH\tdirectory, or a .tar.gz to unpack, mounted read-only at /opt/ml/model")
	b.list(&s.Env, "env", "NAME=VALUE\ta variable for the containers; NAME alone takes the value from this environment; repeatable")
	b.list(&s.EnvFile, "env-file", "FILE\tfile of variables, one per line; use it for secrets; repeatable")
	b.text(&s.Network, "network", "internal|bridge\ta private network with no way out, or the engine's own network and a port on 127.0.0.1 (default internal)")
	b.text(&s.GPUs, "gpus", "all|N|per-replica=N\tGPUs of each container: all, the first N, or N of its own (default none)")
	b.bytes(&s.ContainerMemory, "container-memory", "SIZE\tmemory limit of each container (default: 7/8 of the machine's, divided equally)")
	b.set.Float64Var(&s.ContainerCPUs, "container-cpus", 0, "N\tprocessors of each container, such as 1.5 (default: the machine's, divided equally)")
	nonzero(b, &s.ContainerCPUs, "container-cpus")
	b.number(&s.ContainerPids, "container-pids", fmt.Sprintf("N\tprocesses and threads of each container (default %d)", container.DefaultPids))
	b.list(&s.ContainerTmpfs, "container-tmpfs", "PATH\ta folder that the containers can write to, in memory; repeatable")
	b.list(&s.ContainerAllow, "container-allow", "NAME\ta restriction to lift: "+strings.Join(container.Restrictions(), ", ")+"; repeatable")
}

// bindS3 binds what reaches S3 where the AWS environment does not say it.
func bindS3(b *binder, s *job.Spec) {
	b.title = "S3 (region, profile and credentials come from the AWS environment)"
	b.text(&s.S3Endpoint, "s3-endpoint", "URL\tURL of a service other than Amazon's (default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile)")
	b.text(&s.S3PathStyle, "s3-path-style", "auto|yes|no\twhether the bucket's name is in the path of requests (yes) or in the host name (no) (default auto: in the path, except on Amazon's service)")
	b.yes(&s.S3Anonymous, "s3-anonymous", "read without credentials, as public buckets allow: inputs, or the output of a job to look at; a run's outputs are written with credentials")
	b.text(&s.S3Payer, "s3-request-payer", "requester\tpay for requests to buckets whose requester pays")
	b.text(&s.S3SSE, "s3-sse", "AES256|aws:kms|aws:kms:dsse\tencryption of all that is written (default: the bucket's)")
	b.text(&s.S3KMSKey, "s3-sse-kms-key-id", "ID\tkey of --s3-sse aws:kms (default: Amazon's own)")
	b.text(&s.S3ACL, "s3-acl", "NAME\tcanned ACL of all that is written, such as bucket-owner-full-control (default: the bucket's)")
	b.text(&s.S3Tags, "s3-tags", "K=V,K=V\ttags of all that is written (default none)")
}

func (o *options) bindFormats(b *binder) {
	s := &o.spec
	b.title = "Formats"
	b.text(&s.InputFormat, "input-format", "FORMAT\tcsv, jsonl, json (one array, or lines), lines or parquet (default: by extension, then content)")
	b.text(&s.InputCodec, "input-compression", "NAME\thow the inputs are compressed: auto, none, gzip, zstd, snappy, lz4 or bzip2 (default auto: by extension and, on S3, Content-Encoding; the first bytes must agree)")
	b.text(&s.OutputFormat, "output-format", "FORMAT\tcsv, jsonl, lines or parquet (default: the input's)")
	b.text(&s.Encoding, "encoding", "NAME\tencoding of text inputs, such as utf-8, latin1, windows-1252, utf-16le or gb18030; payloads, outputs and rejects are then UTF-8 (default: bytes as they are; UTF-16 and UTF-32 by their byte order marks)")
	b.text(&s.Header, "header", "auto|yes|no\twhether the CSV begins with a header (default auto)")
	b.yes(&s.DedupeNames, "dedupe-names", "give columns of one name different ones: the second a becomes a_2")
	b.text(&s.Delimiter, "delimiter", "BYTE\tbyte between CSV fields: itself, its number as 0x01, or tab, space, comma, semicolon, bar (default: a comma; a tab for .tsv)")
	b.text(&s.Quote, "quote", "BYTE\tbyte around quoted CSV fields (default \")")
	b.text(&s.Escape, "escape", "BYTE\tbyte that makes a quote behind it, in a quoted field, a part of the field: \\ or backslash (default: quotes are doubled)")
	b.text(&s.Comment, "comment", "BYTE\tbyte that begins a CSV line which is no record, such as # (default none)")
	b.number(&s.SkipRows, "skip-rows", "N\tlines before the header or the first CSV record, which are passed over (default none)")
	b.yes(&s.Trim, "trim", "leave out blanks around CSV fields, in payloads and wherever fields become values; joined bytes stay")
	b.text(&s.Null, "null", "TEXT\twhat a CSV field without quotes says that has no value, such as NA: null in JSON and Parquet, empty in CSV payloads (default: empty fields alone)")
	b.yes(&s.Ragged, "ragged", "accept CSV records whose number of fields differs")
	b.list(&s.ColumnType, "column-type", "NAME=TYPE\ttype of a column in JSON or Parquet: string, number, integer, double, bool, json or list (default: by the values); repeatable")
	b.text(&s.ContentType, "content-type", "TYPE\ttype of the payload: text/csv (default for csv), application/jsonlines (default for jsonl and parquet), application/json, application/x-parquet, ...")
	b.text(&s.Accept, "accept", "TYPE\ttypes of the answers, separated by commas (default: that of the payload)")
	b.text(&s.PayloadWrap, "payload-wrap", "none|instances|dataframe_split\twrapper around the records of a JSON payload (default none: an array)")
	b.text(&s.Compression, "compression", "NAME\tcompression of the outputs: none, gzip, zstd, snappy or lz4 (default none; for Parquet pages, snappy)")
	b.number(&s.RowGroup, "row-group-records", fmt.Sprintf("N\trecords per row group of Parquet outputs (default %d; copied row groups stay as they are)", job.DefaultRowGroup))
	b.yes(&s.SendHeader, "send-header", "send the header line with every CSV payload")
}

func (o *options) bindJoin(b *binder) {
	s := &o.spec
	b.title = "Answers"
	b.text(&s.Join, "join", "none|input\twrite answers only, or each record with its answer (default input, where both formats have records to join)")
	b.text(&s.Answers, "answers", "per-record|per-batch\tper-batch writes each response as it came, for models that filter or multiply records (default per-record)")
	b.text(&s.AnswerName, "answer-name", fmt.Sprintf("NAME\tname of the answer in joined output (default %s)", job.DefaultAnswerName))
	b.text(&s.AnswerColumns, "answer-columns", "NAMES\tcolumns of the answer, in order, such as class,score: keys of objects, or names for CSV fields and array elements; JSON Lines get an object of them (default: by the first answers)")
	b.list(&s.AnswerType, "answer-type", "TYPE\tor FIELD=TYPE: type of the answer's columns in Parquet: double, integer, boolean, string, list or json (default: by the first answers); repeatable")
	b.text(&s.AnswerHeader, "answer-header", "no|yes|auto\twhether CSV responses begin with a header, which is no answer; auto: if it is what the job calls its columns (default no)")
	b.text(&s.AnswerPath, "answer-path", "PATH\twhere the list of answers is in a JSON response")
	b.text(&s.InputFilter, "input-filter", "FIELDS\tfields that go to the host: names or indexes (default all)")
	b.text(&s.OutputFilter, "output-filter", "FIELDS\tfields that the output holds: names or indexes (default all)")
	b.text(&s.OnBad, "on-bad", "placeholder|skip|fail\ta reject keeps its place with an empty answer, is left out, or holds its object back (default placeholder)")
	b.value(&allowance{&s.MaxRejects}, "max-rejects", "N|N%\tnumber or share of rejects above which the job stops with 65 (default 1%, checked from 1,000 records on)")
}

func (o *options) bindRequests(b *binder) {
	s := &o.spec
	b.title = "Requests"
	b.auto(&s.BatchRecords, "batch-records", fmt.Sprintf("auto|N\tmost records in a batch (default auto: measured; %d with --answers per-batch)", job.DefaultBatchRecords))
	b.bytes(&s.BatchBytes, "batch-bytes", fmt.Sprintf("SIZE\tmost input bytes in a batch (default %s)", job.Bytes(job.DefaultBatchBytes)))
	b.duration(&s.TargetLatency, "target-latency", fmt.Sprintf("TIME\thow long an answer may take when the batch size is auto (default %s)", job.Duration(job.DefaultTargetLatency)))
	b.auto(&s.Concurrency, "concurrency", "auto|N\trequests in flight per host (default auto: measured for each host)")
	b.number(&s.MaxConcurrency, "max-concurrency", fmt.Sprintf("N\tmost requests in flight that auto tries (default %d, or what the host says)", workers.DefaultMaxConcurrency))
	b.duration(&s.Timeout, "timeout", "TIME\ttime limit of a request (default 60s)")
	b.number(&s.Attempts, "attempts", fmt.Sprintf("N\ttries before a batch is split (default %d)", job.DefaultAttempts))
	b.duration(&s.HostWait, "host-wait", "TIME\thow long to wait without a good answer (default 10m)")
	b.duration(&s.ReadyTimeout, "ready-timeout", "TIME\thow long to wait while no host is ready (default 10m)")
}

func (o *options) bindPolicy(b *binder) {
	s := &o.spec
	b.title = "The run"
	b.set.Int64Var(&s.Limit, "limit", 0, "N\tonly the first N records of the job, without _SUCCESS; a larger N, or none, goes on (default all)")
	nonzero(b, &s.Limit, "limit")
	b.yes(&o.dryRun, "dry-run", "show the plan and the first payload; send and write nothing")
	b.bytes(&s.Memory, "memory", fmt.Sprintf("SIZE\tbudget for data in flight; the process takes at most twice that plus 64MiB (default %s, less in a small container)", job.Bytes(job.DefaultMemory)))
	b.bytes(&s.MaxRecord, "max-record", fmt.Sprintf("SIZE\tlargest record; a larger one is a reject (default %s, at most a quarter of --memory)", job.Bytes(job.DefaultMaxRecord)))
	b.bytes(&s.MaxResponse, "max-response", fmt.Sprintf("SIZE\tlargest response (default %s, at most a quarter of --memory)", job.Bytes(job.DefaultMaxResponse)))
	b.text(&o.progress, "progress", "auto|json|none\tprogress on stderr: auto is a live line on a terminal and a line every 10 s elsewhere, json one JSON object per second (default auto)")
	b.value(&loopbackAddress{&o.metrics}, "metrics", "ADDRESS\taddress on this machine, such as 127.0.0.1:9090, that serves metrics for Prometheus while the job runs (default none)")
	b.yes(&s.NoKeepAlive, "no-keep-alive", "open a new connection for each request, for a host that answers on kept ones out of turn")
	b.duration(&s.Grace, "grace", fmt.Sprintf("TIME\thow long requests in flight may continue after SIGINT or SIGTERM, so that their answers are kept (default %s)", job.Duration(job.DefaultGrace)))
	b.yes(&s.Restart, "restart", "discard the answers of earlier runs of this job, and send everything again")
	b.yes(&s.Overwrite, "overwrite", "replace existing outputs; logged answers are used, unless another job logged them")
	b.yes(&s.BeforeDamage, "resume-before-damage", "where the answer log is damaged, keep the answers before the damage, and send the rest again")
}

// allowance binds a flag to an Allowance whose absence means the default.
type allowance struct{ target **job.Allowance }

// Set reads a count or a share.
func (a *allowance) Set(s string) error {
	v := new(job.Allowance)
	if err := v.UnmarshalText([]byte(s)); err != nil {
		return err
	}
	*a.target = v
	return nil
}

func (a *allowance) String() string {
	if a.target == nil || *a.target == nil {
		return ""
	}
	return (*a.target).String()
}

// Type names the value in help, where the flag's text does not.
func (*allowance) Type() string { return "N|N%" }

// override copies to the flags to what was given in the flags given.
func override(to, given *pflag.FlagSet) error {
	var first error
	given.Visit(func(f *pflag.Flag) {
		target := to.Lookup(f.Name)
		if target == nil || first != nil {
			return // --help
		}
		list, ok := f.Value.(pflag.SliceValue)
		if ok {
			first = target.Value.(pflag.SliceValue).Replace(list.GetSlice())
		} else {
			first = to.Set(f.Name, f.Value.String())
		}
	})
	return first
}
