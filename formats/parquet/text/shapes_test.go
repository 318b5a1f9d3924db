package text

import (
	"errors"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// group is a group's schema element.
func group(name string, rep format.FieldRepetitionType, lt format.LogicalTypeValue, ct int, children int32) format.SchemaElement {
	e := format.SchemaElement{
		Name: name, RepetitionType: thrift.New(rep), NumChildren: thrift.New(children),
		LogicalType: format.LogicalType{Value: lt},
	}
	if ct >= 0 {
		e.ConvertedType = thrift.New(deprecated.ConvertedType(ct))
	}
	return e
}

func leafNamed(name string, rep format.FieldRepetitionType, physical format.Type, lt format.LogicalTypeValue) format.SchemaElement {
	e := *element(physical, lt, 0)
	e.Name, e.RepetitionType = name, thrift.New(rep)
	return e
}

// at is a value with its levels.
func at(v pq.Value, rep, def int) pq.Value { return v.Level(rep, def, 0) }

const (
	required = format.Required
	optional = format.Optional
	repeated = format.Repeated
	none     = -1
)

func num(n int32, rep, def int) pq.Value   { return at(pq.Int32Value(n), rep, def) }
func text(s string, rep, def int) pq.Value { return at(raw(s), rep, def) }
func null(rep, def int) pq.Value           { return at(pq.NullValue(), rep, def) }

var (
	asList, asMap, asText = new(format.ListType), new(format.MapType), new(format.StringType)

	elementE = leafNamed("element", optional, format.Int32, nil)
	keyE     = leafNamed("key", required, format.ByteArray, asText)
	valueE   = leafNamed("value", optional, format.Int32, nil)
)

type shapeTest struct {
	name   string
	schema []format.SchemaElement
	leaves [][]pq.Value
	want   string
}

var shapeTests = []shapeTest{
	{"three levels", []format.SchemaElement{group("l", optional, asList, none, 1), group("list", repeated, nil, none, 1), elementE},
		[][]pq.Value{{num(1, 0, 3), null(1, 2), num(3, 1, 3)}}, "[1,null,3]"},
	{"three levels, empty", []format.SchemaElement{group("l", optional, asList, none, 1), group("list", repeated, nil, none, 1), elementE},
		[][]pq.Value{{null(0, 1)}}, "[]"},
	{"three levels, null", []format.SchemaElement{group("l", optional, asList, none, 1), group("list", repeated, nil, none, 1), elementE},
		[][]pq.Value{{null(0, 0)}}, ""},
	{"converted type, bag and array_element", []format.SchemaElement{group("l", optional, nil, int(deprecated.List), 1), group("bag", repeated, nil, none, 1), elementE},
		[][]pq.Value{{num(1, 0, 3)}}, "[1]"},
	{"two levels, leaf", []format.SchemaElement{group("l", required, asList, none, 1), leafNamed("array", repeated, format.Int32, nil)},
		[][]pq.Value{{num(1, 0, 1), num(2, 1, 1)}}, "[1,2]"},
	{"two levels, group of two", []format.SchemaElement{group("l", required, asList, none, 1), group("element", repeated, nil, none, 2), keyE, valueE},
		[][]pq.Value{{text("a", 0, 1), text("b", 1, 1)}, {num(1, 0, 2), null(1, 1)}}, `[{"key":"a","value":1},{"key":"b","value":null}]`},
	{"two levels, named array", []format.SchemaElement{group("l", required, asList, none, 1), group("array", repeated, nil, none, 1), keyE},
		[][]pq.Value{{text("a", 0, 1)}}, `[{"key":"a"}]`},
	{"two levels, named _tuple", []format.SchemaElement{group("l", required, asList, none, 1), group("l_tuple", repeated, nil, none, 1), keyE},
		[][]pq.Value{{text("a", 0, 1)}}, `[{"key":"a"}]`},
	{"two levels, part repeated", []format.SchemaElement{group("l", required, asList, none, 1), group("list", repeated, nil, none, 1), leafNamed("x", repeated, format.Int32, nil)},
		[][]pq.Value{{num(1, 0, 2), num(2, 2, 2), null(1, 1)}}, `[{"x":[1,2]},{"x":[]}]`},
	{"list of lists", []format.SchemaElement{group("l", required, asList, none, 1), group("list", repeated, nil, none, 1), group("element", optional, asList, none, 1), group("list", repeated, nil, none, 1), elementE},
		[][]pq.Value{{num(1, 0, 4), num(2, 2, 4), null(1, 1), null(1, 2), null(1, 3)}}, `[[1,2],null,[],[null]]`},
	{"list that is none", []format.SchemaElement{group("l", required, asList, none, 2), keyE, valueE},
		[][]pq.Value{{text("a", 0, 0)}, {num(1, 0, 1)}}, `{"key":"a","value":1}`},
	{"map", []format.SchemaElement{group("m", optional, asMap, none, 1), group("key_value", repeated, nil, none, 2), keyE, valueE},
		[][]pq.Value{{text("a", 0, 2), text("a", 1, 2)}, {num(1, 0, 3), null(1, 2)}}, `{"a":1,"a":null}`},
	{"map, empty", []format.SchemaElement{group("m", optional, asMap, none, 1), group("key_value", repeated, nil, none, 2), keyE, valueE},
		[][]pq.Value{{null(0, 1)}, {null(0, 1)}}, `{}`},
	{"MAP_KEY_VALUE on both groups", []format.SchemaElement{group("m", optional, nil, int(deprecated.MapKeyValue), 1), group("map", repeated, nil, int(deprecated.MapKeyValue), 2), keyE, valueE},
		[][]pq.Value{{text("a", 0, 2)}, {num(1, 0, 3)}}, `{"a":1}`},
	{"map of numbers", []format.SchemaElement{group("m", required, asMap, none, 1), group("key_value", repeated, nil, none, 2), leafNamed("key", required, format.Int32, nil), valueE},
		[][]pq.Value{{num(7, 0, 1), num(8, 1, 1)}, {num(1, 0, 2), null(1, 1)}}, `[[7,1],[8,null]]`},
	{"map of optional keys", []format.SchemaElement{group("m", required, asMap, none, 1), group("key_value", repeated, nil, none, 2), leafNamed("key", optional, format.ByteArray, asText), valueE},
		[][]pq.Value{{null(0, 1)}, {num(1, 0, 2)}}, `[[null,1]]`},
	{"map without values", []format.SchemaElement{group("m", required, asMap, none, 1), group("key_value", repeated, nil, none, 1), keyE},
		[][]pq.Value{{text("a", 0, 1), text("b", 1, 1)}}, `["a","b"]`},
	{"repeated leaf", []format.SchemaElement{leafNamed("r", repeated, format.Int32, nil)}, [][]pq.Value{{num(1, 0, 1), num(2, 1, 1)}}, `[1,2]`},
	{"repeated leaf, empty", []format.SchemaElement{leafNamed("r", repeated, format.Int32, nil)}, [][]pq.Value{{null(0, 0)}}, `[]`},
	{"repeated group", []format.SchemaElement{group("r", repeated, nil, none, 2), keyE, valueE},
		[][]pq.Value{{text("a", 0, 1), text("b", 1, 1)}, {null(0, 1), num(2, 1, 2)}}, `[{"key":"a","value":null},{"key":"b","value":2}]`},
	{"names are escaped", []format.SchemaElement{group("s", required, nil, none, 1), leafNamed("a\"\n", required, format.Int32, nil)}, [][]pq.Value{{num(1, 0, 0)}}, `{"a\"\n":1}`},
	{"more columns behind it", []format.SchemaElement{group("s", optional, nil, none, 1), keyE, valueE}, [][]pq.Value{{text("x", 0, 1)}}, `{"key":"x"}`},
}

func TestShapes(t *testing.T) {
	for _, test := range shapeTests {
		n, err := NestedOf(test.schema, 5)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got, kind, err := n.Append([]byte("<"), test.leaves)
		if err != nil || string(got) != "<"+test.want || (kind == formats.Null) != (test.want == "") {
			t.Errorf("%s: %s, %d, %v, want %s", test.name, got, kind, err, test.want)
		}
		if first, end := n.Leaves(); first != 5 || end != 5+len(test.leaves) {
			t.Errorf("%s: leaves %d to %d", test.name, first, end)
		}
	}
}

func TestNestedOfRefuses(t *testing.T) {
	x := leafNamed("x", required, format.Int32, nil)
	both := group("s", required, nil, none, 1)
	both.Type = thrift.New(format.Int32)
	var tower []format.SchemaElement
	for range 300 {
		tower = append(tower, group("t", optional, nil, none, 1))
	}
	for name, schema := range map[string][]format.SchemaElement{
		"nothing":         nil,
		"too few parts":   {group("s", required, nil, none, 2), x},
		"negative count":  {group("s", required, nil, none, -1), x},
		"huge count":      {group("s", required, nil, none, 1<<31-1), x},
		"shared parts":    {group("s", required, nil, none, 2), group("s", required, nil, none, 1), x},
		"no parts":        {group("s", required, nil, none, 0), x},
		"values and more": {both, x},
		"too deep":        append(tower, x),
		"bad annotation":  {group("s", required, nil, none, 1), leafNamed("d", required, format.Boolean, dec(1))},
	} {
		if n, err := NestedOf(schema, 0); err == nil {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

func TestDamagedLevels(t *testing.T) {
	n, err := NestedOf([]format.SchemaElement{
		group("r", repeated, nil, none, 2),
		leafNamed("a", required, format.Int32, nil), leafNamed("b", optional, format.ByteArray, new(format.StringType)),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	one := func(rep, def int) pq.Value { return num(1, rep, def) }
	var value *ValueError
	for name, leaves := range map[string][][]pq.Value{
		"no values":            {{}, {}},
		"one leaf":             {{one(0, 1)}},
		"begins repeated":      {{one(1, 1)}, {text("", 1, 2)}},
		"level above the most": {{one(0, 1)}, {text("", 0, 3)}},
		"null with a value":    {{one(0, 0)}, {null(0, 0)}},
		"value without one":    {{null(0, 1)}, {text("", 0, 2)}},
		"disagree about null":  {{one(0, 1)}, {null(0, 0)}},
		"disagree about count": {{one(0, 1), one(1, 1)}, {text("", 0, 2)}},
		"repetition too high":  {{one(0, 1), one(2, 1)}, {text("", 0, 2), text("", 2, 2)}},
		"two records":          {{one(0, 1), one(0, 1)}, {text("", 0, 2), text("", 0, 2)}},
		"repeated nothing":     {{one(0, 1), null(1, 0)}, {text("", 0, 2), null(1, 0)}},
		"another type":         {{text("", 0, 1)}, {text("", 0, 2)}},
	} {
		got, kind, err := n.Append([]byte("<"), leaves)
		var level *LevelError
		if !errors.As(err, &level) || errors.As(err, &value) || string(got) != "<" || kind != formats.Null {
			t.Errorf("%s: %s, %d, %v", name, got, kind, err)
		}
	}
	_, _, err = n.Append(nil, [][]pq.Value{{one(0, 1)}, {text("\xff", 0, 2)}})
	if !errors.As(err, &value) || value.Column != "r.b" {
		t.Errorf("%v", err)
	}
}

func TestPathsAreCut(t *testing.T) {
	schema := []format.SchemaElement{
		group(strings.Repeat("n", 10_000), required, nil, none, 1),
		group(strings.Repeat("m", 10_000), required, nil, none, 1), leafNamed("x", required, format.ByteArray, new(format.StringType)),
	}
	n, err := NestedOf(schema, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = n.Append(nil, [][]pq.Value{{pq.ByteArrayValue([]byte("\xff"))}})
	if err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "mm.x") {
		t.Errorf("%.1000v", err)
	}
}
