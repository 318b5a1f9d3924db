// Command s3client moves bytes and objects through AWS's own SDK and transfer
// manager. It says what an S3 server allows: a program that also does something
// with the bytes cannot be much quicker. The driver of the benchmarks runs it
// beside batchmill, against the same server.
//
//	s3client upload   --bucket B --to KEY --bytes N    N bytes out of memory, or --file F
//	s3client download --bucket B --from KEY            to nowhere
//	s3client copy     --bucket B --from KEY --to KEY   download, and upload as many bytes, at once
//	s3client seed     --bucket B --to PREFIX --file F --objects N   objects of about 1 KB out of a CSV file
//	s3client small    --bucket B --from PREFIX --to PREFIX          each object read and put again
//
// Each prints one line of JSON: {"seconds", "bytes", "objects", "cpu_seconds"};
// the seconds do not count the start of the program. Credentials and region come
// from the usual AWS environment, the server from --endpoint or that.
//
// It is a module of its own, so that the product's go.mod holds nothing that only
// a benchmark needs.
package main
