package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform/job"
)

// maxJobFile bounds a job file, in bytes.
const maxJobFile = 1 << 20

// A job file is a mapping, in YAML or JSON, from flags' names to values. Each
// value goes through the flag of its name, so that a file and a command line
// mean the same and fail alike. Anchors, tags and nested mappings are refused.

// loadJobFile sets flags from the job file at path.
func loadJobFile(path string, flags *pflag.FlagSet) (*jobFile, error) {
	text, err := readJobFile(path)
	if err != nil {
		return nil, usageError("check the path of the job file", "%w", err)
	}
	return applyJob(path, text, flags)
}

func readJobFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJobFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxJobFile {
		return nil, fmt.Errorf("%s is larger than %d bytes, and no job file", path, maxJobFile)
	}
	return text, nil
}

func applyJob(path string, text []byte, flags *pflag.FlagSet) (*jobFile, error) {
	file, err := parseYAML(text)
	if err != nil {
		return nil, jobSyntaxError(path, err)
	}
	j := &jobFile{path: path, flags: flags, seen: map[string]*token.Position{}, values: map[string]ast.Node{}}
	bodies := 0
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if bodies++; bodies > 1 {
			return nil, j.wrong(doc.Body, "", "a second document; a job file holds one job")
		}
		if err := j.apply(doc.Body); err != nil {
			return nil, err
		}
	}
	if bodies == 0 {
		return nil, usageError("write for example input: data/", "%s:1:1: it is empty", path)
	}
	return j, nil
}

// parseYAML keeps a fault of the parser from ending the program: job files may
// come from anywhere.
func parseYAML(text []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML (the parser gave up: %v)", r)
		}
	}()
	return parser.ParseBytes(text, 0)
}

func jobSyntaxError(path string, err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil && syntax.GetToken().Position != nil {
		at := syntax.GetToken().Position
		return usageError("", "%s:%d:%d: %s", path, at.Line, at.Column, syntax.GetMessage())
	}
	return usageError("", "%s:1:1: %w", path, err)
}

type jobFile struct {
	path   string
	flags  *pflag.FlagSet
	seen   map[string]*token.Position
	values map[string]ast.Node // by name
}

// locate is err, with its place in the file where a value in the file is at fault: a wrong
// setting is named first in a message, and the command line has not said another. A nil file is none.
func (j *jobFile) locate(err error, given *pflag.FlagSet) error {
	var failure *job.Failure
	if j == nil || !errors.As(err, &failure) || failure.Class != job.Usage {
		return err
	}
	rest, flag := strings.CutPrefix(failure.Error(), "--")
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if !flag || end < 0 {
		return err
	}
	value, here := j.values[rest[:end]]
	if !here || given.Changed(rest[:end]) {
		return err
	}
	return j.wrong(value, failure.Hint, "%w", failure.Err)
}

// wrong is an error at a place in the file.
func (j *jobFile) wrong(at ast.Node, hint, format string, args ...any) error {
	line, column := 1, 1
	if t := at.GetToken(); t != nil && t.Position != nil {
		line, column = t.Position.Line, t.Position.Column
	}
	return usageError(hint, "%s:%d:%d: %w", j.path, line, column, fmt.Errorf(format, args...))
}

func (j *jobFile) apply(body ast.Node) error {
	var pairs []*ast.MappingValueNode
	switch n := body.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return j.wrong(body, "write for example input: data/", "a job file is a list of names and values")
	}
	for _, pair := range pairs {
		if err := j.set(pair); err != nil {
			return err
		}
	}
	return nil
}

func (j *jobFile) set(pair *ast.MappingValueNode) error {
	name, ok := scalar(pair.Key)
	flag := j.flags.Lookup(name)
	if !ok || flag == nil {
		hint := "the names are those of the flags; see batchmill run --help"
		if n := nearest(name, flagNames(j.flags)); n != "" {
			hint = "did you mean " + n + "? " + hint
		}
		return j.wrong(pair.Key, hint, "unknown name %q", name)
	}
	if at := j.seen[name]; at != nil {
		return j.wrong(pair.Key, "keep one of them", "%s stands here a second time; first on line %d", name, at.Line)
	}
	j.seen[name] = pair.Key.GetToken().Position
	j.values[name] = pair.Value
	values, err := j.texts(name, pair)
	if err != nil {
		return err
	}
	list, isList := flag.Value.(pflag.SliceValue)
	if isList {
		flag.Changed = true
		return list.Replace(values)
	}
	if len(values) != 1 {
		return j.wrong(pair.Value, "", "%s takes one value, not a list", name)
	}
	if err := j.flags.Set(name, values[0]); err != nil {
		var invalid *pflag.InvalidValueError
		if errors.As(err, &invalid) {
			err = plainly(invalid.Unwrap(), values[0])
		}
		return j.wrong(pair.Value, "", "%s: %w", name, err)
	}
	return nil
}

// texts are the texts of a scalar or of a list of scalars.
func (j *jobFile) texts(name string, pair *ast.MappingValueNode) ([]string, error) {
	nodes := []ast.Node{pair.Value}
	if list, ok := pair.Value.(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	var values []string
	for _, n := range nodes {
		v, ok := scalar(n)
		if !ok {
			return nil, j.wrong(pair.Key, "write a plain value, or a list of them", "%s: what stands here is no plain value", name)
		}
		values = append(values, v)
	}
	return values, nil
}

// scalar is a node's text as it was written: a number keeps its digits.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
