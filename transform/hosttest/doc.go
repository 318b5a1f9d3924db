// Package hosttest runs whole jobs against hosts that are right about every record, and odd
// or hostile on the wire: real sockets, one row of a table for each way to go wrong.
// It holds tests only; `make hosts` runs all rows and prints the table, `make test` runs some.
//
// A host's answer is a function of the record, so every line of an output can be checked by
// itself. A row says how its job may end: with the right output, with rejects
// of exactly the records that are named, or refused with a class of failure. Whatever
// the row, no output of a job that ended well holds an answer to another record.
package hosttest
