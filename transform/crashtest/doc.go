// Package crashtest kills jobs on a real disk, and sees that nothing is lost.
// It holds tests only; `make crash` runs them all, `make test` a short form.
//
// Four proofs, each over several jobs:
//
//   - a process whose disk store kills it at its Nth instant, N = 1, 2, 3 ...
//     until a run completes; the job is then run again, and its outputs are
//     compared byte for byte with those of a run that nothing disturbed;
//   - the same with each error that a full, broken or forbidden disk gives;
//   - every command of the ordinary program, killed before each system call that
//     changes the disk, and then run again (on Linux);
//   - the ordinary program, killed at random times while its hosts count how
//     often they are asked about each record.
//
// An instant is the moment before an operation of the store, one within it
// where a kill can leave something half done, or the moment after it. What the
// power takes away with it, bytes and names that were never synced, is not
// shown here but by the simulation in package jobtest.
package crashtest
