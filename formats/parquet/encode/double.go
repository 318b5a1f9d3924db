package encode

import (
	"math"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// double is DOUBLE, with a page index that tells the truth about NaN. Parquet-go leaves NaN out of the bounds of
// pages and chunks, but for pages of NaN alone, whose bounds are NaN. Readers have to ignore such bounds, says the format;
// an order of pages by such bounds, though, is none, and would lead a binary search astray.
//
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (ColumnOrder, BoundaryOrder)
var double = doubleType{pq.DoubleType}

type doubleType struct{ pq.Type }

func (t doubleType) NewColumnIndexer(limit int) pq.ColumnIndexer {
	return &doubleIndexer{ColumnIndexer: t.Type.NewColumnIndexer(limit)}
}

type doubleIndexer struct {
	pq.ColumnIndexer
	nan bool // a page holds nothing but NaN
}

func (x *doubleIndexer) Reset() {
	x.nan = false
	x.ColumnIndexer.Reset()
}

func (x *doubleIndexer) IndexPage(values, nulls int64, least, greatest pq.Value) {
	x.nan = x.nan || !least.IsNull() && math.IsNaN(least.Double())
	x.ColumnIndexer.IndexPage(values, nulls, least, greatest)
}

func (x *doubleIndexer) ColumnIndex() format.ColumnIndex {
	index := x.ColumnIndexer.ColumnIndex()
	if x.nan {
		index.BoundaryOrder = format.Unordered
	}
	return index
}
