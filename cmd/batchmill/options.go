package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container"
)

// options are what `run` can be told, by flags or by a job file.
type options struct {
	spec     transform.Spec
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
	b.group(name)
	b.set.Lookup(name).DefValue = "0"
}

func (b *binder) auto(p *transform.Auto, name, usage string) {
	b.set.TextVar(p, name, transform.Auto(0), usage)
	b.group(name)
}

func (b *binder) value(v pflag.Value, name, usage string) {
	b.set.Var(v, name, usage)
	b.group(name)
}

func (b *binder) bytes(p *transform.Bytes, name, usage string) {
	b.set.TextVar(p, name, transform.Bytes(0), usage)
	b.group(name)
}

func (b *binder) duration(p *transform.Duration, name, usage string) {
	b.set.TextVar(p, name, transform.Duration(0), usage)
	b.group(name)
}

func (o *options) bindPlaces(b *binder) {
	s := &o.spec
	b.title = "What to read, whom to ask, where to write"
	b.list(&s.Input, "input", "URI\ta file, a directory, a quoted glob, or s3://bucket/prefix; repeatable; names below it that begin with _ or . are skipped")
	b.text(&s.InputManifest, "input-manifest", "URI\ta list of objects, on disk or S3: a JSON array of {\"prefix\": \"s3://bucket/prefix/\"} and of names behind that prefix")
	b.text(&s.Output, "output", "URI\tdirectory or s3://bucket/prefix for the outputs; never inside the input")
	b.list(&s.Hosts, "host", "URL\tURL of an inference host, unix:///path.sock, or dns+http://name:port for every address behind a name; repeatable; without a path it follows the container contract (ping, invocations), with a path it is POSTed to as it is")
	b.text(&s.Image, "image", "NAME\timage to start hosts from as containers, instead of --host; it is never pulled")
	b.text(&s.Command, "command", "WORDS\tcommand to start hosts with as processes, each told its port by SAGEMAKER_BIND_TO_PORT and PORT; no shell is used")
	b.number(&s.Replicas, "replicas", "N\thow many hosts to start (default 1)")
}

func (o *options) bindContainers(b *binder) {
	s := &o.spec
	b.title = "Containers (with --image)"
	b.text(&s.Model, "model", "PATH\tdirectory, or a .tar.gz that is unpacked, to mount read-only at /opt/ml/model")
	b.list(&s.Env, "env", "NAME=VALUE\ta variable for the containers, or NAME for its value in this environment; repeatable")
	b.list(&s.EnvFile, "env-file", "FILE\tfile of variables, a line each; the place for secrets; repeatable")
	b.text(&s.Network, "network", "bridge|internal\ta port on 127.0.0.1, or a network of their own with no way out (default bridge)")
	b.text(&s.GPUs, "gpus", "all|N|per-replica=N\tGPUs for each container: all, any N, or N of its own (default none)")
	b.bytes(&s.ContainerMemory, "container-memory", "SIZE\tmemory of each container (default: 7/8 of the machine's, shared equally)")
	b.set.Float64Var(&s.ContainerCPUs, "container-cpus", 0, "N\tprocessors of each container, such as 1.5 (default: the machine's, shared equally)")
	b.group("container-cpus")
	b.set.Lookup("container-cpus").DefValue = "0"
	b.number(&s.ContainerPids, "container-pids", fmt.Sprintf("N\tprocesses and threads of each container (default %d)", container.DefaultPids))
	b.list(&s.ContainerAllow, "container-allow", "NAME\ta restriction to lift: "+strings.Join(container.Restrictions(), ", ")+"; repeatable")
}

// bindS3 binds what reaches S3 where the AWS environment does not say it.
func bindS3(b *binder, s *transform.Spec) {
	b.title = "S3 (region, profile and credentials come from the AWS environment)"
	b.text(&s.S3Endpoint, "s3-endpoint", "URL\tURL of a service other than Amazon's (default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile's)")
	b.text(&s.S3PathStyle, "s3-path-style", "auto|yes|no\tis the bucket's name in the path of requests, or in the name of the host (default auto: in the path, except on Amazon's service)")
}

func (o *options) bindFormats(b *binder) {
	s := &o.spec
	b.title = "Formats"
	b.text(&s.InputFormat, "input-format", "FORMAT\tcsv, jsonl, lines or parquet (default: by extension, then content)")
	b.text(&s.OutputFormat, "output-format", "FORMAT\tcsv, jsonl, lines or parquet (default: the input's)")
	b.text(&s.Header, "header", "auto|yes|no\tdoes the CSV begin with a header (default auto)")
	b.text(&s.Delimiter, "delimiter", "BYTE\tbyte between CSV fields (default a comma; a tab for .tsv)")
	b.text(&s.Quote, "quote", "BYTE\tbyte around CSV fields (default \")")
	b.yes(&s.Ragged, "ragged", "accept CSV records with another number of fields")
	b.list(&s.ColumnType, "column-type", "NAME=TYPE\twhat a column becomes in JSON or Parquet: string, number, integer, double, bool, json or list (default: by the values); repeatable")
	b.text(&s.ContentType, "content-type", "TYPE\ttype of the payload: text/csv (default for csv), application/jsonlines (default for jsonl and parquet), application/json, application/x-parquet, ...")
	b.text(&s.Accept, "accept", "TYPE\ttype of the answers (default: that of the payload)")
	b.text(&s.PayloadWrap, "payload-wrap", "none|instances|dataframe_split\twhat stands around the records of a JSON payload (default none: an array)")
	b.text(&s.Compression, "compression", "NAME\tcompression of the outputs: none, gzip, zstd, snappy or lz4 (default none; in Parquet, of its pages, snappy)")
	b.number(&s.RowGroup, "row-group-records", fmt.Sprintf("N\trecords in a row group of Parquet outputs (default %d; copied row groups stay as they are)", transform.DefaultRowGroup))
	b.yes(&s.SendHeader, "send-header", "send the header line with every CSV payload")
}

func (o *options) bindJoin(b *binder) {
	s := &o.spec
	b.title = "Answers"
	b.text(&s.Join, "join", "none|input\twrite answers only, or each record with its answer (default none)")
	b.text(&s.Answers, "answers", "per-record|per-batch\tper-batch writes each response as it came, for models that filter or multiply records (default per-record)")
	b.text(&s.AnswerName, "answer-name", fmt.Sprintf("NAME\tname of the answer in joined output (default %s)", transform.DefaultAnswerName))
	b.list(&s.AnswerType, "answer-type", "TYPE\tor FIELD=TYPE: type of the answer's columns in Parquet: double, integer, boolean, string, list or json (default: by the first answers); repeatable")
	b.text(&s.AnswerPath, "answer-path", "PATH\tpath to the list of answers in a JSON response")
	b.text(&s.InputFilter, "input-filter", "FIELDS\tfields that go to the host: names or indexes (default all)")
	b.text(&s.OutputFilter, "output-filter", "FIELDS\tfields that come out: names or indexes (default all)")
	b.text(&s.OnBad, "on-bad", "placeholder|skip|fail\ta record without an answer stays with an empty one, is left out, or holds back its object (default placeholder)")
	b.value(&allowance{&s.MaxRejects}, "max-rejects", "N|N%\tcount or share of rejects after which the job stops with 65 (default 1%, judged from 1,000 records on)")
}

func (o *options) bindRequests(b *binder) {
	s := &o.spec
	b.title = "Requests"
	b.auto(&s.BatchRecords, "batch-records", fmt.Sprintf("auto|N\tat most so many records in a batch (default auto: the best number is found; %d with --answers per-batch)", transform.DefaultBatchRecords))
	b.bytes(&s.BatchBytes, "batch-bytes", fmt.Sprintf("SIZE\tat most so many bytes of records in a batch (default %s)", transform.Bytes(transform.DefaultBatchBytes)))
	b.duration(&s.TargetLatency, "target-latency", fmt.Sprintf("TIME\ttime that an answer may take to a batch whose number of records is found (default %s)", transform.Duration(transform.DefaultTargetLatency)))
	b.auto(&s.Concurrency, "concurrency", "auto|N\trequests in flight per host (default auto: the best number is found for each)")
	b.number(&s.MaxConcurrency, "max-concurrency", fmt.Sprintf("N\tthe most that auto tries (default %d, or what the host says)", workers.DefaultMaxConcurrency))
	b.duration(&s.Timeout, "timeout", "TIME\ttime for one request (default 60s)")
	b.number(&s.Attempts, "attempts", fmt.Sprintf("N\ttries before a batch is split (default %d)", transform.DefaultAttempts))
	b.duration(&s.HostWait, "host-wait", "TIME\thow long to wait when no host answers (default 10m)")
	b.duration(&s.ReadyTimeout, "ready-timeout", "TIME\thow long to wait for the first host to be ready (default 10m)")
}

func (o *options) bindPolicy(b *binder) {
	s := &o.spec
	b.title = "The run"
	b.set.Int64Var(&s.Limit, "limit", 0, "N\tonly the first so many records of the job (default all)")
	b.group("limit")
	b.set.Lookup("limit").DefValue = "0"
	b.yes(&o.dryRun, "dry-run", "send and write nothing: show the plan and the first payload")
	b.bytes(&s.Memory, "memory", fmt.Sprintf("SIZE\tbudget for data in flight (default %s)", transform.Bytes(transform.DefaultMemory)))
	b.bytes(&s.MaxRecord, "max-record", fmt.Sprintf("SIZE\tthe largest record taken (default %s, at most a quarter of --memory)", transform.Bytes(transform.DefaultMaxRecord)))
	b.bytes(&s.MaxResponse, "max-response", fmt.Sprintf("SIZE\tthe largest response taken (default %s, at most a quarter of --memory)", transform.Bytes(transform.DefaultMaxResponse)))
	b.text(&o.progress, "progress", "auto|json|none\ta live line on a terminal and a line every 10 s elsewhere, or one JSON object a second, on stderr (default auto)")
	b.value(&loopbackAddress{&o.metrics}, "metrics", "ADDRESS\taddress on this machine, such as 127.0.0.1:9090, where Prometheus finds the job's metrics while it runs (default none)")
	b.duration(&s.Grace, "grace", fmt.Sprintf("TIME\thow long requests in flight may go on after SIGINT or SIGTERM, so that their answers are kept (default %s)", transform.Duration(transform.DefaultGrace)))
	b.yes(&s.Restart, "restart", "forget what hosts answered in earlier runs of this job, and ask again")
	b.yes(&s.Overwrite, "overwrite", "replace existing outputs; what hosts answered is kept, unless it was another job")
}

// allowance binds a flag to an Allowance whose absence means the default.
type allowance struct{ target **transform.Allowance }

// Set reads a count or a share.
func (a *allowance) Set(s string) error {
	v := new(transform.Allowance)
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
