package parquet

import "github.com/batchmill/batchmill/formats/parquet/thrift"

// measure says how many bytes the struct at the beginning of data takes, and
// estimates the memory in bytes that decoding it will take, itself not counted.
// A decoder believes the struct's sizes, so measure comes first.
func measure(data []byte) (n int, cost int64, err error) {
	n, cost, err = thrift.Measure(data, elementCost)
	return n, cost + int64(n), err
}

// elementCost is the memory in bytes that an element of a footer's list takes:
// schema elements and row groups stand in no other list, column chunks in one
// list.
func elementCost(kind, elem thrift.Kind, lists int) int64 {
	switch {
	case kind == thrift.Map:
		return 64
	case elem != thrift.Struct:
		return 24
	case lists == 0:
		return 192
	case lists == 1:
		return 640
	}
	return 48
}
