// Package interop holds tests alone: Parquet that batchmill writes is read by
// DuckDB, by arrow-go and by parquet-go, and Parquet that these three write is
// read by batchmill. It runs the command line as its users do and imports
// nothing of it. It is a module of its own, so that what only these tests need
// (a database written in C++ among it) stays out of the product's go.mod.
//
//	cd benchmarks/interop && go test ./...
//
// It takes a C++ compiler.
package interop
